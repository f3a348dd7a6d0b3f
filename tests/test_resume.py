"""A run that is killed, at any moment, and resumed writes the bytes of one that was not."""

from __future__ import annotations

import csv
import gc
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import save_fake_model

from screening import InputError
from screening.batch import Plan, run
from screening.journal import Journal
from screening.packing import pack
from screening.progress import Progress, Tally
from screening.scorers import Verdict
from screening.workspace import PartFile, Workspace

REPO = Path(__file__).parent.parent
COPY = "Buscamos camareras para un hotel en la costa, con alojamiento y comida incluida"


class Killed(BaseException):
    """Stands for SIGKILL where a test needs the moment to be exact: nothing may catch it."""


class Scorer:
    """Scores by length; `at` is called before each batch."""

    path = "reference"
    looks_twice = False

    def __init__(self, at: Callable[[], None] = lambda: None) -> None:
        self._at = at

    def score(self, texts: Sequence[str]) -> list[Verdict]:
        self._at()
        levels = ("low", "review", "high")
        return [
            Verdict(len(t) % 97 / 7, len(t) % 97 / 100, levels[(len(t) > 60) + (len(t) > 90)], "es", ("urgency",))
            for t in texts
        ]


def texts_of(rows: int) -> Iterator[str]:
    chance = random.Random(5)
    for i in range(rows):
        yield f"{COPY} {i}" + "\nsí" * chance.randrange(30) if i % 3 else "hola " * chance.randrange(30)


def source_of(path: Path, rows: int = 36) -> Path:
    """Write an input with rows that are rejected among the others."""
    records = [{"n": i, "text": text} for i, text in enumerate(texts_of(rows))]
    kind, _, packing = path.name.partition(".")[2].partition(".")
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([r if r["n"] % 11 else {**r, "text": None} for r in records]), path, 16)
        return path
    plain = path.with_name("plain")
    with plain.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["n", "text"])
        if kind == "csv":
            writer.writeheader()
        for record in records:
            broken = record["n"] % 11 == 0
            if kind == "csv":
                writer.writerow(record)
                stream.write("1,2,3\n" * broken)
            else:
                stream.write((json.dumps(record) if not broken else "{") + "\n")
    path.write_bytes(pack(plain.read_bytes(), packing and "." + packing))
    plain.unlink()
    return path


def plan_of(folder: Path, sources: Sequence[Path], output: str, **options: Any) -> Plan:
    return Plan(
        sources=tuple(map(str, sources)),
        output=str(folder / output),
        rejects=str(folder / "rejects.jsonl"),
        kind=output.split(".")[1],
        checkpoint_rows=5,
        **options,
    )


def go(plan: Plan, scorer: Scorer | None = None, **options: bool) -> Tally:
    return run(plan, scorer or Scorer(), "model", Progress("none"), **options)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screening.batch.BATCH_ROWS", 4)


def result(folder: Path, output: str) -> tuple[bytes, bytes, list[str]]:
    rejects = (folder / "rejects.jsonl").read_bytes()
    return (folder / output).read_bytes(), rejects, sorted(p.name for p in folder.iterdir())


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


CASES = [
    pytest.param("a.csv", "b.csv", {}, id="csv"),
    pytest.param("a.csv.gz", "b.csv.gz", {}, id="packed csv"),
    pytest.param("a.jsonl", "b.jsonl.gz", {}, id="jsonl to gzip"),
    pytest.param("a.jsonl.zst", "b.csv", {}, id="packed jsonl to csv"),
    pytest.param("a.jsonl", "b.parquet", {}, id="jsonl to Parquet"),
    pytest.param("a.parquet", "b.parquet", {"top": 7}, id="the highest of Parquet"),
    pytest.param("a.parquet", "b.jsonl", {"campaigns": True}, id="campaigns as jsonl"),
    pytest.param(
        "a.csv", "b.csv", {"campaigns": True, "top": 9, "min_level": "review"}, id="campaigns and the highest"
    ),
]


@pytest.mark.parametrize(("source", "output", "options"), CASES)
def test_stopped_before_any_write_to_disk_and_resumed_gives_the_same_bytes(
    tmp_path: Path, source: str, output: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call that changes a file is, in turn, the last one that a run makes."""
    sources = [source_of(tmp_path / source)]
    plan = plan_of(tmp_path, sources, output, **options)
    expected_tally = go(plan)
    expected = result(tmp_path, output)
    before = {source: sources[0].read_bytes()}

    calls = {"left": -1}
    write = os.write

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if calls["left"] == 0:
                if real is write:  # torn: only half of it reaches the disk
                    real(args[0], args[1][: len(args[1]) // 2])
                raise Killed
            calls["left"] -= 1
            return real(*args, **named)

        return call

    for owner, name in ((os, "write"), (os, "ftruncate"), (Path, "replace"), (Path, "unlink")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    monkeypatch.setattr(os, "fsync", counted(lambda descriptor: None))  # the disk is not what is tested, and slow
    monkeypatch.setattr(Workspace, "__exit__", lambda self, *error: self._close())  # a killed run tidies nothing
    stop, finished = 0, False
    while not finished:
        calls["left"] = -1
        for path in tmp_path.iterdir():
            if path.name not in before:
                path.unlink()
        calls["left"] = stop
        try:
            go(plan)
            finished = True
        except Killed:
            calls["left"] = -1
            tally = go(plan, resume=True)
            assert (tally.rows, tally.levels, tally.reasons) == (
                expected_tally.rows,
                expected_tally.levels,
                expected_tally.reasons,
            )
        assert result(tmp_path, output) == expected, f"stopped before call {stop}"
        stop += 1
    assert stop > 40


# --- the program itself


def start(*args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "screening", "score", *args], cwd=REPO, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def killed_at_random(args: list[str], chance: random.Random, journal: Path) -> int:
    """Kill a run at random moments, the first after a checkpoint, and resume it; return the kills it lived through."""
    for kills in range(3):
        with start(*args, "--resume") as process:
            deadline = time.monotonic() + 30
            while not (kills or journal.exists() or process.poll() is not None) and time.monotonic() < deadline:
                time.sleep(0.01)
            try:
                assert process.wait(timeout=chance.uniform(0, 2 if kills else 0.1)) == 3
                return kills
            except subprocess.TimeoutExpired:
                process.kill()
    with start(*args, "--resume") as process:
        assert process.wait(timeout=60) == 3
    return 3


@pytest.mark.parametrize(
    ("source", "output", "options"),
    [
        pytest.param("a.csv", "b.csv", [], id="csv"),
        pytest.param("a.jsonl.gz", "b.jsonl.gz", ["--near-duplicates"], id="packed jsonl with campaigns"),
        pytest.param("a.parquet", "b.parquet", ["--top", "50"], id="the highest of Parquet"),
    ],
)
def test_killed_at_random_moments_and_resumed_gives_the_same_bytes(
    tmp_path: Path, source: str, output: str, options: list[str]
) -> None:
    model = str(save_fake_model(tmp_path / "model"))
    path = str(source_of(tmp_path / source, 800))
    folders = [tmp_path / "calm", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
    common = [path, "--model", model, "--path", "reference", "--checkpoint-rows", "30", *options]
    args = [[*common, "-o", str(folder / output), "--rejects", str(folder / "rejects.jsonl")] for folder in folders]
    with start(*args[0]) as calm:
        assert calm.wait(timeout=60) == 3
    journal = folders[1] / f".{output}.journal"
    assert killed_at_random(args[1], random.Random(f"{source} 1"), journal) >= 1
    assert result(folders[1], output) == result(folders[0], output)


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path) -> None:
    model = str(save_fake_model(tmp_path / "model"))
    source = str(source_of(tmp_path / "a.csv", 3_000))
    args = [source, "-o", str(tmp_path / "b.csv"), "--model", model, "--path", "reference", "--checkpoint-rows", "50"]
    with start(*args) as process:
        deadline = time.monotonic() + 30
        while not (tmp_path / ".b.csv.journal").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(2)
        assert process.stderr
        errors = process.stderr.read().decode()
    assert process.returncode == 130
    assert errors.startswith("screening: interrupted; ")
    assert errors.endswith("rows are done and kept; the same command with --resume goes on from there\n")
    assert errors.count("\n") == 1
    assert not (tmp_path / "b.csv").exists()


# --- what is refused


def stopped(plan: Plan, after: int = 4) -> None:
    """Stop a run of a plan before it scores its fifth batch."""
    left = iter(range(after))

    def at() -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(plan, Scorer(at))


def test_an_unfinished_run_is_neither_lost_nor_taken_for_another(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [source_of(tmp_path / "a.csv")], "b.csv")
    stopped(plan)
    before = snapshot(tmp_path)
    with pytest.raises(InputError, match=r"an unfinished run of .*--resume goes on with it, --fresh starts over"):
        go(plan)
    assert snapshot(tmp_path) == before
    go(plan, fresh=True)
    expected = result(tmp_path, "b.csv")
    stopped(plan)
    go(plan, resume=True)
    assert result(tmp_path, "b.csv") == expected


def test_resume_without_a_journal_starts_at_the_first_row(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [source_of(tmp_path / "a.csv")], "b.csv")
    assert go(plan, resume=True).rows == go(plan).rows


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        pytest.param({"prefix": "p_"}, "--prefix was '' and is now 'p_'", id="an option"),
        pytest.param({"min_level": "high", "top": 3}, "--min-level was 'low' and is now 'high'; --top", id="two"),
    ],
)
def test_other_options_are_refused_by_name(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    sources = [source_of(tmp_path / "a.csv")]
    stopped(plan_of(tmp_path, sources, "b.csv"))
    before = snapshot(tmp_path)
    with pytest.raises(InputError, match=message):
        go(plan_of(tmp_path, sources, "b.csv", **changed), resume=True)
    assert snapshot(tmp_path) == before


def test_a_changed_input_other_inputs_and_another_model_are_refused(tmp_path: Path) -> None:
    source = source_of(tmp_path / "a.csv")
    plan = plan_of(tmp_path, [source], "b.csv")
    stopped(plan)
    before = snapshot(tmp_path)
    with pytest.raises(InputError, match="the model changed"):
        run(plan, Scorer(), "other", Progress("none"), resume=True)
    with pytest.raises(InputError, match="input files are not those"):
        go(plan_of(tmp_path, [source, source], "b.csv"), resume=True)
    assert snapshot(tmp_path) == before
    content = source.read_bytes()
    status = source.stat()
    source.write_bytes(content.replace(b"hola", b"aloh", 1))
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(InputError, match=r"the input .*a\.csv changed"):
        go(plan, resume=True)


def test_a_part_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [source_of(tmp_path / "a.csv")], "b.csv")
    stopped(plan)
    (tmp_path / ".b.csv.part").write_bytes(b"n,text")
    with pytest.raises(InputError, match="shorter than its journal says; start over with --fresh"):
        go(plan, resume=True)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"format": 9}', b"\xff"])
def test_a_strange_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    journal = Journal(tmp_path / "b.csv")
    journal.path.write_bytes(content)
    with pytest.raises(InputError, match="--fresh"):
        journal.read({})


def test_standard_streams_cannot_be_resumed(tmp_path: Path) -> None:
    source = str(source_of(tmp_path / "a.csv"))
    for plan in (
        Plan(sources=(source,), output="-", kind="csv"),
        Plan(sources=("-",), output=str(tmp_path / "b.csv"), kind="csv", format="csv"),
    ):
        with pytest.raises(InputError, match="--resume needs files"):
            go(plan, resume=True)


def test_many_inputs_resume_in_any_of_them(tmp_path: Path) -> None:
    sources = [source_of(tmp_path / name, 13) for name in ("a.csv", "c.csv", "d.csv")]
    plan = plan_of(tmp_path, sources, "b.csv")
    go(plan)
    expected = result(tmp_path, "b.csv")
    for after in range(1, 11):
        stopped(plan, after)
        go(plan, resume=True)
        assert result(tmp_path, "b.csv") == expected


def test_the_journal_holds_no_text_of_postings(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [source_of(tmp_path / "a.jsonl")], "b.csv", campaigns=True)
    stopped(plan)
    held = (tmp_path / ".b.csv.journal").read_text() + (tmp_path / ".rejects.jsonl.part").read_text()
    assert "hola" not in held
    assert "camareras" not in held


def test_before_the_first_checkpoint_nothing_is_left(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, [source_of(tmp_path / "a.csv")], "b.csv")
    stopped(plan, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_part_file_goes_on_after_its_length_and_forgets_the_rest(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"kept, torn")
    with PartFile(tmp_path / "p", 5) as part:
        part.write(b" new")
        assert part.tell() == 9
    assert (tmp_path / "p").read_bytes() == b"kept, new"[:5] + b" new"


def test_a_part_that_is_refused_lets_go_of_its_descriptor_once(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"abc")
    with pytest.raises(InputError, match="shorter than its journal") as refused:
        PartFile(tmp_path / "p", 10)
    with (tmp_path / "q").open("wb") as other:  # takes the number that is free again
        del refused
        gc.collect()
        other.write(b"whole")
    assert (tmp_path / "q").read_bytes() == b"whole"
