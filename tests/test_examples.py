"""The examples are whole programs on public names, and they run."""

from __future__ import annotations

import ast
import csv
import importlib
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import fake_screener

import screening
from screening import Screener

EXAMPLES = Path(__file__).parent.parent / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))
PUBLIC = ("screening", "screening.spark")  # modules whose `__all__` programs may use


@pytest.fixture(autouse=True)
def _model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the bundled model where there is one."""
    if not (Path(screening.__file__).parent / "data" / "model").is_dir():
        screener = fake_screener()
        monkeypatch.setattr(Screener, "load", classmethod(lambda cls, folder=None: screener))


def postings() -> list[dict[str, str]]:
    with (EXAMPLES / "postings.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def run(name: str, monkeypatch: pytest.MonkeyPatch, *args: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, *args])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


def test_the_readme_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (EXAMPLES.parent / "README.md").read_text("utf-8")
    program, output = re.search(r"```python\n(.*?)```\s+```text\n(.*?)```", readme, re.DOTALL).groups()  # type: ignore[union-attr]
    exec(compile(program, "README.md", "exec"), {})
    assert capsys.readouterr().out == output


def test_one_text_is_explained(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run("screen_one_text.py", monkeypatch)
    shown = capsys.readouterr().out
    assert "language pt" in shown
    assert "'Não conte para ninguém'" in shown
    assert shown.endswith("não prova um crime nem aponta uma pessoa.\n")


def test_frame_is_ranked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run("screen_frame.py", monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 10
    assert " lure " in lines[2]


def test_queue_holds_reasons_for_each_entry(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(json.dumps(row) + "\n" for row in postings())))
    run("review_queue.py", monkeypatch)
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"pt-01", "pt-02"} <= {entry["id"] for entry in entries}
    assert all(entry["level"] != "low" and len(entry["statement"]) > 200 for entry in entries)


def test_a_folder_is_screened_while_it_is_filled() -> None:
    """In a process of its own: Spark leaves a Java process and environment variables behind."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: pip install '.[spark]'")
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        pytest.skip("Spark needs Java")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "stream_folder.py")],
        env=os.environ | {"PYTHONPATH": str(EXAMPLES.parent), "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    flagged = [line.split() for line in done.stdout.splitlines()]
    screener = Screener.load().with_prevalence(0.005)
    expected = {row["id"]: screener.screen(row["text"]).level for row in postings()}
    assert {name: level for name, level, *_ in flagged} == {k: v for k, v in expected.items() if v != "low"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_examples_use_public_names_only(program: Path) -> None:
    for node in ast.walk(ast.parse(program.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("screening"):
            assert node.module in PUBLIC
            assert {alias.name for alias in node.names} <= set(importlib.import_module(node.module).__all__)
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")


def test_postings_cover_what_is_screened() -> None:
    rows = postings()
    assert {row["kind"] for row in rows} >= {"lure", "honest", "warning", "news"}
    assert {row["id"][:2] for row in rows} == {"es", "pt", "en"}
    assert [row["id"] for row in rows if not row["text"]] == ["en-06"]
