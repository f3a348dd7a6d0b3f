"""The command line, as people and shells use it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import fake_screener, save_fake_model

from screening import Screener
from screening.cli import main

REPO = Path(__file__).parent.parent
EXAMPLE = REPO / "examples" / "postings.csv"
LURE = "Faça um pix de 50 reais para liberar as tarefas. Não conte para ninguém, me chama no Telegram."
OTHER_LURE = "No le digas a nadie. Te pagamos el pasaje y nos quedamos con tu pasaporte hasta que pagues la deuda."
CALM = "Bom dia, hoje vamos falar com voce sobre o tempo."


@pytest.fixture(scope="module")
def screener() -> Screener:
    return fake_screener()


@pytest.fixture(autouse=True)
def _use_fake(monkeypatch: pytest.MonkeyPatch, screener: Screener) -> None:
    monkeypatch.setattr(Screener, "load", classmethod(lambda cls, folder=None: screener))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_fake_model(tmp_path_factory.mktemp("model")))


def put(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def stdin_of(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content))


def run(*args: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    """Run the program itself."""
    command = [sys.executable, "-m", "screening", *args]
    return subprocess.run(command, capture_output=True, cwd=REPO, timeout=120, check=False, **options)  # type: ignore[call-overload, no-any-return]


# --- score


def test_score_adds_its_columns_and_sums_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = put(tmp_path / "a.csv", f'id,text\n1,"{LURE}"\n2,"{CALM}"\n')
    assert main(["score", source, "-o", str(tmp_path / "b.csv")]) == 0
    with (tmp_path / "b.csv").open(newline="", encoding="utf-8") as stream:
        lure, calm = csv.DictReader(stream)
    assert list(lure) == ["id", "text", "probability", "level", "language", "indicators"]
    assert (lure["text"], lure["level"], lure["language"]) == (LURE, "high", "pt")
    assert "secrecy-or-isolation" in lure["indicators"].split(";")
    assert (calm["level"], calm["indicators"]) == ("low", "")
    errors = capsys.readouterr().err
    assert errors.startswith("2 rows: 0 review, 1 high, 0 rejected\n")
    assert "proves no crime" in errors


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_all_formats_give_the_same_scores(tmp_path: Path, kind: str, screener: Screener) -> None:
    source, target = tmp_path / f"a.{kind}", tmp_path / "b.jsonl"
    if kind == "csv":
        put(source, f'text\n"{LURE}"\n')
    elif kind == "jsonl":
        put(source, json.dumps({"text": LURE}))
    else:
        pq.write_table(pa.table({"text": [LURE]}), source)
    assert main(["score", str(source), "-o", str(target)]) == 0
    assert main(["score", str(source), "-o", str(tmp_path / "c.parquet")]) == 0
    expected = screener.screen(LURE)
    for row in (json.loads(target.read_text("utf-8")), pq.read_table(tmp_path / "c.parquet").to_pylist()[0]):
        assert row["probability"] == expected.probability
        assert row["indicators"] == list(expected.indicators)


def test_rejects_are_listed_without_text_and_end_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = put(tmp_path / "a.jsonl", b'{"text": "secret words"\n{"text": 7}\n{"text": "good"}\n')
    rejects = tmp_path / "rejects.jsonl"
    assert main(["score", source, "-o", str(tmp_path / "b.jsonl"), "--rejects", str(rejects)]) == 3
    assert [json.loads(line) for line in rejects.read_text().splitlines()] == [
        {"file": source, "line": 1, "reason": "invalid JSON"},
        {"file": source, "line": 2, "reason": "the text is int, not a string"},
    ]
    errors = capsys.readouterr().err
    assert "3 rows: 0 review, 0 high, 2 rejected" in errors
    assert "secret" not in errors + rejects.read_text()


def test_min_level_writes_only_those_rows(tmp_path: Path) -> None:
    source = put(tmp_path / "a.csv", f'text\n"{LURE}"\n"{CALM}"\n')
    assert main(["score", source, "-o", str(tmp_path / "b.jsonl"), "--min-level", "review"]) == 0
    assert len((tmp_path / "b.jsonl").read_text().splitlines()) == 1


def test_prevalence_shifts_probabilities_not_levels(tmp_path: Path) -> None:
    source = put(tmp_path / "a.csv", f'text\n"{LURE}"\n')
    rows = []
    for extra in ([], ["--prevalence", "0.0001"]):
        assert main(["score", source, "-o", str(tmp_path / "b.jsonl"), *extra]) == 0
        rows.append(json.loads((tmp_path / "b.jsonl").read_text()))
    assert rows[1]["probability"] < rows[0]["probability"]
    assert rows[1]["level"] == rows[0]["level"]


def test_standard_streams_are_read_and_written(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin_of(b'{"text": "ol\xc3\xa1"}\n'))
    assert main(["score", "-", "--format", "jsonl"]) == 0
    assert json.loads(capsysbinary.readouterr().out)["text"] == "olá"


def test_parquet_passes_through_standard_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    pq.write_table(pa.table({"text": [CALM] * 3}), tmp_path / "a.parquet")
    monkeypatch.setattr(sys, "stdin", stdin_of((tmp_path / "a.parquet").read_bytes()))
    assert main(["score", "-", "--format", "parquet"]) == 0
    assert pq.read_table(io.BytesIO(capsysbinary.readouterr().out)).num_rows == 3


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        pytest.param(
            "id,title\n1,x\n", [], "its columns are 'id', 'title'. Name one of them with --text", id="no text"
        ),
        pytest.param("text\nx\n", ["--text", "body"], "no column 'body'", id="wrong column"),
        pytest.param("text,level\nx,1\n", [], "--prefix", id="name clash"),
        pytest.param("", [], "is empty", id="empty file"),
        pytest.param(None, [], "No such file", id="no file"),
    ],
)
def test_what_cannot_be_used_ends_with_1_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, options: list[str], message: str
) -> None:
    source = str(tmp_path / "a.csv") if content is None else put(tmp_path / "a.csv", content)
    assert main(["score", source, "-o", str(tmp_path / "b.csv"), *options]) == 1
    assert message in capsys.readouterr().err
    assert {p.name for p in tmp_path.iterdir()} <= {"a.csv"}


def test_an_input_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = put(tmp_path / "a.csv", "text\nx\n")
    (tmp_path / "link.csv").symlink_to(source)
    for options in (["-o", source], ["-o", str(tmp_path / "link.csv")], ["-o", "-", "--rejects", source]):
        assert main(["score", source, *options]) == 1
        assert "named twice" in capsys.readouterr().err
    assert Path(source).read_text() == "text\nx\n"


def test_an_output_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = put(tmp_path / "a.csv", "text\nx\n")
    assert main(["score", source, "-o", str(tmp_path / "no" / "b.csv")]) == 1
    assert "No such file or directory" in capsys.readouterr().err


def test_header_alone_gives_a_header(tmp_path: Path) -> None:
    assert main(["score", put(tmp_path / "a.csv", "\ufefftext\n"), "-o", str(tmp_path / "b.csv")]) == 0
    assert (tmp_path / "b.csv").read_text() == "text,probability,level,language,indicators\n"


def test_progress_is_shown_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screening.progress.PROGRESS_S", 0.0)
    source = put(tmp_path / "a.csv", "text\nx\ny\n")
    assert main(["score", source, "-o", str(tmp_path / "b.csv"), "--progress"]) == 0
    assert "2 rows  " in capsys.readouterr().err


@pytest.mark.parametrize(
    "args",
    [
        pytest.param([], id="no command"),
        pytest.param(["score"], id="no file"),
        pytest.param(["score", "a.csv", "--prevalence", "1"], id="prevalence of 1"),
        pytest.param(["score", "a.csv", "--min-level", "low"], id="unknown level"),
        pytest.param(["report", "a.csv"], id="report without output"),
        pytest.param(["report", "a.csv", "-o", "b", "--top", "0"], id="none on the page"),
    ],
)
def test_wrong_usage_ends_with_2(args: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        main(args)
    assert error.value.code == 2


def test_help_documents_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    for code in ("0    done", "1    an input", "2    wrong usage", "3    done, but some rows", "130  interrupted"):
        assert code in shown


# --- explain and indicators


def test_explain_shows_evidence_reason_authority_and_caveat(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", LURE]) == 0
    shown = capsys.readouterr().out
    for part in ("high  ", "“Não conte para ninguém”", "[secrecy-or-isolation, risk]", "ILO", "não prova um crime"):
        assert part in shown
    assert "\x1b" not in shown


def test_explain_reads_standard_input_and_gives_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], screener: Screener
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin_of(LURE.encode()))
    assert main(["explain", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == screener.screen(LURE).to_dict()


def test_explain_refuses_what_is_not_utf8(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", stdin_of(b"caf\xe9"))
    assert main(["explain", "-"]) == 1
    assert "not UTF-8 (byte 3)" in capsys.readouterr().err


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_without_no_color(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_color: str, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["explain", LURE]) == 0
    assert ("\x1b[" in capsys.readouterr().out) is coloured


def test_indicators_are_listed_in_a_language(capsys: pytest.CaptureFixture[str], screener: Screener) -> None:
    assert main(["indicators", "--language", "es"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(screener.catalogue.codes) + 1
    assert any("upfront-fee" in line and "strong" in line for line in lines)
    assert main(["indicators", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["code"] for row in rows] == list(screener.catalogue.codes)
    assert all(row["authority"] and isinstance(row["title"], str) for row in rows)


# --- report


def test_report_ranks_and_names_postings_by_id_or_number(tmp_path: Path) -> None:
    source = put(tmp_path / "a.jsonl", "\n".join(json.dumps(r) for r in ({"text": CALM}, {"text": 1}, {"text": LURE})))
    assert main(["report", source, "-o", str(tmp_path / "r.html"), "--top", "1"]) == 3
    page = (tmp_path / "r.html").read_text("utf-8")
    assert 'data-id="3"' in page
    assert page.count("<article") == 1
    assert "of 2 screened" in page
    assert str(tmp_path) not in page


def test_report_reads_what_score_wrote(tmp_path: Path) -> None:
    scored = str(tmp_path / "scored.csv")
    assert main(["score", str(EXAMPLE), "-o", scored]) == 0
    assert main(["report", scored, "-o", str(tmp_path / "r.html")]) == 0
    assert 'data-id="es-01"' in (tmp_path / "r.html").read_text("utf-8")


@pytest.mark.parametrize("options", [[], ["--top", "2"]], ids=["all", "the highest two"])
def test_report_shows_a_campaign_once_and_counts_it_as_one_entry(tmp_path: Path, options: list[str]) -> None:
    texts = [LURE + " Oi", CALM, LURE, OTHER_LURE, LURE.upper(), CALM]
    source = put(tmp_path / "a.jsonl", "\n".join(json.dumps({"text": text}) for text in texts))
    assert main(["report", source, "-o", str(tmp_path / "r.html"), "--near-duplicates", *options]) == 0
    page = (tmp_path / "r.html").read_text("utf-8")
    shown = re.findall(r'<(article|li)[^>]* data-id="(\d)"', page)
    assert shown[:4] == [("article", "1"), ("li", "3"), ("li", "5"), ("article", "4")]
    assert shown[4:] == ([] if options else [("article", "2"), ("article", "6")])  # what is not flagged has no copies
    assert "of 6 screened" in re.sub("<[^>]*>", "", page)


def test_report_names_a_campaign_as_score_does(tmp_path: Path) -> None:
    source = put(tmp_path / "a.csv", f'text\n"{LURE}"\n"{CALM}"\n"{LURE}!"\n')
    for command, target in (("report", "r.html"), ("score", "b.jsonl")):
        assert main([command, source, "-o", str(tmp_path / target), "--near-duplicates"]) == 0
    row = json.loads((tmp_path / "b.jsonl").read_text("utf-8").splitlines()[0])
    assert row["copies"] == 2
    assert f"<code>{row['campaign']}</code>" in (tmp_path / "r.html").read_text("utf-8")


# --- the program itself


def test_program_scores_with_an_exported_model(model: str, tmp_path: Path) -> None:
    done = run("score", str(EXAMPLE), "-o", str(tmp_path / "b.csv"), "--model", model)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.startswith(b"24 rows: ")


@pytest.mark.skipif(not (REPO / "screening/data/model").is_dir(), reason="no model is bundled in this checkout")
def test_program_scores_with_the_bundled_model(tmp_path: Path) -> None:
    assert run("score", str(EXAMPLE), "-o", str(tmp_path / "b.csv")).returncode == 0
    with (tmp_path / "b.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    chance = {row["id"]: float(row["probability"]) for row in rows}
    assert min(p for i, p in chance.items() if i in ("es-01", "pt-01", "en-02")) > max(chance["es-07"], chance["pt-04"])


def test_a_closed_pipe_ends_quietly(model: str) -> None:
    rows = b"text\n" + b"hola que tal\n" * 20_000
    command = [sys.executable, "-m", "screening", "score", "-", "--format", "csv", "--model", model, "--no-progress"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPO
    ) as p:
        assert p.stdin
        assert p.stdout
        assert p.stderr
        p.stdout.close()
        try:
            p.stdin.write(rows)
            p.stdin.close()
        except BrokenPipeError:
            pass
        errors = p.stderr.read()
    assert (p.returncode, errors) == (141, b"")


def test_ctrl_c_ends_with_130_and_leaves_no_half_file(model: str, tmp_path: Path) -> None:
    target = tmp_path / "b.csv"
    command = [sys.executable, "-m", "screening", "score", "-", "--format", "csv", "--model", model, "-o", str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPO) as p:
        assert p.stdin
        p.stdin.write(b"text\nhola\n")
        p.stdin.flush()
        deadline = time.monotonic() + 60
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        p.send_signal(signal.SIGINT)
        p.stdin.close()
        p.wait(timeout=60)
    assert p.returncode == 130
    assert os.listdir(tmp_path) == []


def test_start_imports_numpy_and_the_standard_library_only() -> None:
    code = "import sys, screening.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPO, check=True).stdout
    third_party = {name for name in shown.split() if name not in sys.stdlib_module_names}
    assert not third_party & {"pandas", "pyarrow", "sklearn", "scipy", "numba"}
    assert {name for name in third_party if not name.startswith("_")} <= {"screening", "numpy", "sitecustomize"}
