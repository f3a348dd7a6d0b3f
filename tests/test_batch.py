"""The engine of `score`: inputs found and read, batches, choices of rows, packed output, progress, failures."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import os
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import fake_screener, save_fake_model

from screening import InputError
from screening import batch as batch_module
from screening.batch import Plan, batches, run
from screening.inputs import open_table
from screening.packing import PACKINGS, pack
from screening.progress import Progress, Tally
from screening.rows import Position, Reject, Row
from screening.scorers import FirstScorer, Verdict, make_scorer
from screening.sources import expand

REPO = Path(__file__).parent.parent
LURE = "Faça um pix de 50 reais para liberar as tarefas. Não conte para ninguém, me chama no Telegram."


class LengthScorer:
    """Scores a text by its length: over 9 letters review, over 99 high."""

    path = "reference"
    looks_twice = False

    def __init__(self) -> None:
        self.calls: list[int] = []

    def score(self, texts: Sequence[str]) -> list[Verdict]:
        self.calls.append(len(texts))
        levels = ("low", "review", "high")
        return [
            Verdict(float(len(t)), len(t) / 1000, levels[(len(t) > 9) + (len(t) > 99)], "es", ("urgency",))
            for t in texts
        ]


def put(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def go(sources: Sequence[str | Path], output: Path | str, kind: str, **options: Any) -> Tally:
    plan = Plan(sources=tuple(map(str, sources)), output=str(output), kind=kind, **options)
    return run(plan, LengthScorer(), "model", Progress("none"))


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of an output of any format."""
    with open_table(str(path)) as table:
        return [dict(row.values) for row in table.rows if isinstance(row, Row)]


def source_of(path: Path, texts: Sequence[str]) -> Path:
    """Write texts with their numbers in the format that the suffix tells."""
    rows = [{"n": str(i), "text": text} for i, text in enumerate(texts, 1)]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        put(path, "".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, ["n", "text"])
            writer.writeheader()
            writer.writerows(rows)
    return path


# --- batches


def test_batches_end_at_a_count_of_rows_or_of_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "BATCH_SIZE", 10)
    items: list[Any] = [(Row(i, {}), text) for i, text in enumerate(["a"] * 4 + ["b" * 10, "c"])]
    items.insert(1, Reject("f", "line", 1, "no"))
    assert [len(batch) for batch in batches(items, 3)] == [3, 3, 1]
    assert list(batches([])) == []
    places = iter(range(0, 99, 5))
    assert [len(batch) for batch in batches(items, 9, lambda: Position(next(places)))] == [2, 2, 2, 1]


def test_texts_are_scored_in_one_call_a_batch(tmp_path: Path) -> None:
    scorer = LengthScorer()
    source = source_of(tmp_path / "a.csv", ["x"] * 600)
    run(Plan(sources=(str(source),), output=str(tmp_path / "b.csv"), kind="csv"), scorer, "m", Progress("none"))
    assert scorer.calls == [250, 250, 100]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("screening.outputs.GROUP_ROWS", 2_000)
    peaks = []
    for rows in (3_000, 30_000):
        source = source_of(tmp_path / f"{rows}.{kind}", ["Bom dia a todos. " * 10] * rows)
        tracemalloc.start()
        go([source], tmp_path / f"out.{kind}", kind)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000


def test_one_huge_group_of_parquet_is_read_piece_by_piece(tmp_path: Path) -> None:
    texts = [os.urandom(500).hex() for _ in range(60_000)]  # 60 MB, and no codec makes less than 30 of it
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", use_dictionary=False, compression="none")
    code = (
        "import resource, sys; from screening.inputs import open_table\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with open_table(sys.argv[1]) as table:\n"
        "    first = next(table.rows) and peak(); rows = sum(1 for _ in table.rows)\n"
        "print(rows, (peak() - first) // 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.parquet"], capture_output=True, cwd=REPO, check=True
    )
    rows, grown = map(int, done.stdout.split())
    assert rows == 59_999
    assert grown < 40  # MB


# --- inputs


def test_folders_and_patterns_are_read_in_order_without_what_a_run_writes(tmp_path: Path) -> None:
    for name in (
        "b.csv",
        "a.jsonl.gz",
        "deep/c.parquet",
        "notes.txt",
        ".b.csv.part",
        "_tmp/x.csv",
        "out.csv",
        "bad.jsonl",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        put(tmp_path / name, "")
    targets = (str(tmp_path / "out.csv"), str(tmp_path / "bad.jsonl"))
    found = [str(tmp_path / name) for name in ("a.jsonl.gz", "b.csv", "deep/c.parquet")]
    assert expand([str(tmp_path)], targets) == found
    assert expand([str(tmp_path / "*.csv"), str(tmp_path)], targets) == [found[1], found[0], found[2]]
    assert expand(["-", "missing.csv"], targets) == ["-", "missing.csv"]


def test_a_folder_or_pattern_that_finds_nothing_is_an_error(tmp_path: Path) -> None:
    put(tmp_path / "notes.txt", "")
    for name in (str(tmp_path), str(tmp_path / "*.csv")):
        with pytest.raises(InputError, match="nothing to read"):
            expand([name], ())


def test_a_name_with_a_star_in_it_is_a_file_when_it_is_there(tmp_path: Path) -> None:
    source = put(tmp_path / "a[1].csv", "text\nx\n")
    assert expand([source], ()) == [source]


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_packed_files_are_read_and_written_in_every_format(tmp_path: Path, packing: str, kind: str) -> None:
    plain = source_of(tmp_path / f"a.{kind}", ["hola", "ñandú\nsegunda línea", "x" * 200])
    source = tmp_path / f"a.{kind}{packing}"
    source.write_bytes(pack(plain.read_bytes(), packing))
    go([plain], tmp_path / f"plain.{kind}", kind)
    go([source], tmp_path / f"packed.{kind}{packing}", kind)
    assert rows_of(tmp_path / f"packed.{kind}{packing}") == rows_of(tmp_path / f"plain.{kind}")


@pytest.mark.parametrize(
    ("suffix", "unpack"), [(".gz", gzip.decompress), (".bz2", bz2.decompress), (".xz", lzma.decompress)]
)
def test_packed_members_in_a_row_are_one_file(tmp_path: Path, suffix: str, unpack: Callable[[bytes], bytes]) -> None:
    source = source_of(tmp_path / "a.csv", ["hola"] * 2_500)
    go([source], tmp_path / "b.csv", "csv")
    go([source], tmp_path / f"b.csv{suffix}", "csv")
    assert unpack((tmp_path / f"b.csv{suffix}").read_bytes()) == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_damaged_packed_file_is_an_error_that_names_it(tmp_path: Path, packing: str) -> None:
    whole = pack(os.urandom(50_000).hex().encode(), packing)
    for damaged in (whole[:-9], b"not packed at all, not at all"):
        source = put(tmp_path / f"a.jsonl{packing}", damaged)
        with pytest.raises(InputError, match=r"cannot read .*a\.jsonl"):
            go([source], tmp_path / "b.jsonl", "jsonl")
    assert [p.name for p in tmp_path.iterdir()] == [f"a.jsonl{packing}"]


def test_latin_1_rows_are_rejected_and_the_summary_says_how_to_convert(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = put(tmp_path / "a.csv", "text\nniña\nok\n".encode("latin-1"))
    plan = Plan(sources=(source,), output=str(tmp_path / "b.csv"), kind="csv")
    tally = run(plan, LengthScorer(), "m", Progress("none"))
    assert tally.reasons == {"not valid UTF-8": 1}
    assert "iconv -f WINDOWS-1252 -t UTF-8" in capsys.readouterr().err


def test_utf_16_json_lines_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="UTF-16"):
        go([put(tmp_path / "a.jsonl", '{"text": "x"}\n'.encode("utf-16"))], tmp_path / "b.jsonl", "jsonl")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "csv.gz", "jsonl.zst"])
@pytest.mark.parametrize("stop", [0, 1, 7, 20])
def test_a_table_goes_on_from_any_position_it_told(tmp_path: Path, suffix: str, stop: int) -> None:
    kind, _, packing = suffix.partition(".")
    plain = source_of(tmp_path / f"a.{kind}", [f"línea {i}\nsegunda" for i in range(20)])
    path = tmp_path / f"b.{suffix}"
    path.write_bytes(pack(plain.read_bytes(), packing and "." + packing))
    with open_table(str(path)) as table:
        before = [next(table.rows) for _ in range(stop)]
        position = table.tell()
        after = list(table.rows)
    with open_table(str(path), start=position) as table:
        rest = list(table.rows)
    assert [(r.place, r.values) for r in rest] == [(r.place, r.values) for r in after]  # type: ignore[union-attr]
    assert len(before) + len(rest) == 20


def test_parquet_goes_on_within_and_after_groups_of_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": list("abcdefghij")}), tmp_path / "a.parquet", row_group_size=3)
    for start in range(11):
        with open_table(str(tmp_path / "a.parquet"), start=Position(0, start)) as table:
            assert "".join(row.values["text"] for row in table.rows) == "abcdefghij"[start:]  # type: ignore[union-attr]


# --- which rows


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_top_writes_the_highest_rows_highest_first_then_by_position(tmp_path: Path, kind: str) -> None:
    texts = ["a" * n for n in (5, 40, 3, 40, 200, 40)]
    tally = go([source_of(tmp_path / f"a.{kind}", texts)], tmp_path / f"b.{kind}", kind, top=3)
    assert [row["n"] for row in rows_of(tmp_path / f"b.{kind}")] == ["5", "2", "4"]
    assert (tally.rows, tally.flagged, tally.written) == (6, 4, 3)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_top_of_fewer_rows_is_all_of_them(tmp_path: Path, kind: str) -> None:
    for texts in ([], ["aa", "b"]):
        go([source_of(tmp_path / "a.csv", texts)], tmp_path / f"b.{kind}", kind, top=9, campaigns=True)
        assert len(rows_of(tmp_path / f"b.{kind}")) == len(texts)


def test_min_level_and_top_choose_together_and_all_are_counted(tmp_path: Path) -> None:
    source = source_of(tmp_path / "a.jsonl", ["a" * n for n in (5, 40, 120, 150, 3)])
    tally = go([source], tmp_path / "b.jsonl", "jsonl", min_level="high", top=5)
    assert [row["n"] for row in rows_of(tmp_path / "b.jsonl")] == ["4", "3"]
    assert tally.levels == {"low": 2, "review": 1, "high": 2}


def test_top_agrees_with_sorting_all_rows(tmp_path: Path) -> None:
    texts = ["a" * (i * 7919 % 211) for i in range(1, 3_000)]
    source = source_of(tmp_path / "a.csv", texts)
    go([source], tmp_path / "b.csv", "csv", top=100)
    expected = sorted(range(len(texts)), key=lambda i: (-len(texts[i]), i))[:100]
    assert [int(row["n"]) - 1 for row in rows_of(tmp_path / "b.csv")] == expected


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_campaigns_are_columns_of_flagged_rows(tmp_path: Path, kind: str) -> None:
    copy = "Buscamos camareras para un hotel en la costa, con alojamiento y comida"
    texts = ["hola", copy + " desde 900", copy + " desde 1200!!", "otra cosa muy distinta que no se parece en nada"]
    go([source_of(tmp_path / f"a.{kind}", texts)], tmp_path / f"b.{kind}", kind, campaigns=True, prefix="s_")
    rows = rows_of(tmp_path / f"b.{kind}")
    assert list(rows[0])[-2:] == ["s_campaign", "s_copies"]
    assert [str(row["s_copies"] or "") for row in rows] == ["", "2", "2", "1"]
    assert rows[1]["s_campaign"] == rows[2]["s_campaign"] != rows[3]["s_campaign"]
    assert not rows[0]["s_campaign"]


def test_copies_are_counted_among_all_flagged_rows_also_those_not_written(tmp_path: Path) -> None:
    copy = "Buscamos camareras para un hotel en la costa, con alojamiento y comida "
    source = source_of(tmp_path / "a.jsonl", [copy + "!" * i for i in range(5)])
    tally = go([source], tmp_path / "b.jsonl", "jsonl", campaigns=True, top=1)
    [row] = rows_of(tmp_path / "b.jsonl")
    assert (row["n"], row["copies"], tally.campaigns) == ("5", 5, 1)


def test_a_column_named_campaign_asks_for_a_prefix(tmp_path: Path) -> None:
    source = put(tmp_path / "a.csv", "text,campaign\nx,1\n")
    with pytest.raises(InputError, match=r"'campaign'.*--prefix"):
        go([source], tmp_path / "b.csv", "csv", campaigns=True)
    go([source], tmp_path / "b.csv", "csv")


# --- the second look


def test_the_second_look_reads_only_what_stands_high_and_its_share_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screener = fake_screener()
    looked: list[str] = []
    screen = screener.screen
    monkeypatch.setattr(type(screener), "looks_twice_at", lambda self, logit: logit > 0)
    monkeypatch.setattr(
        type(screener),
        "screen",
        lambda self, text, second_look=None: (second_look is None and looked.append(text)) or screen(text),
    )
    source = put(tmp_path / "a.csv", f'text\n"{LURE}"\nhola\n')
    plan = Plan(sources=(source,), output=str(tmp_path / "b.csv"), kind="csv")
    run(plan, make_scorer(screener, "reference", second_look=True), "m", Progress("none"))
    assert looked == [LURE]
    assert "looked twice at 0 (0.0%)" in capsys.readouterr().err  # the fake has no second tier to have a say


def test_verdicts_are_those_of_the_screener() -> None:
    screener = fake_screener()
    texts = [LURE, "", "hola"]
    verdicts = FirstScorer(screener, False).score(texts)
    assert [v.cells for v in verdicts] == [
        (a.probability, a.level, a.language, a.indicators) for a in screener.screen_many(texts)
    ]


# --- progress


def test_progress_json_is_one_object_a_line_and_holds_no_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("screening.progress.JSON_S", 0)
    source = source_of(tmp_path / "a.csv", ["secret words"] * 500)
    plan = Plan(sources=(str(source),), output=str(tmp_path / "b.csv"), kind="csv")
    run(plan, LengthScorer(), "m", Progress("json", source.stat().st_size))
    errors = capsys.readouterr().err
    shown = [json.loads(line) for line in errors.splitlines()]
    assert [line["rows"] for line in shown] == [250, 500, 500]
    size = source.stat().st_size
    assert {"rejects", "bytes_read", "bytes_total", "seconds", "flagged", "path"} <= shown[0].keys()
    assert (shown[-1]["bytes_read"], shown[-1]["bytes_total"], shown[-1]["done"]) == (size, size, True)
    assert "secret" not in errors


def test_the_line_tells_rate_share_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, 10.0, 10.0])
    monkeypatch.setattr("screening.progress.time.monotonic", lambda: next(clock))
    tally = Tally()
    tally.levels.update(low=1000, high=5)
    Progress("bar", 4_000_000).show(tally, 1_000_000)
    assert capsys.readouterr().err == "\r1,005 rows  100 rows/s  0.1 MB/s  25%  0:30 left  5 flagged"


def test_nothing_is_shown_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("auto", 10)
    progress._shown -= 99
    progress.show(Tally(), 5)
    assert capsys.readouterr().err == ""


# --- what can go wrong


def program(*args: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "screening", *args, "--path", "reference"]
    return subprocess.run(command, capture_output=True, cwd=REPO, timeout=120, check=False, **options)


def test_a_full_disk_ends_with_one_line_and_can_be_gone_on_with(tmp_path: Path) -> None:
    model = str(save_fake_model(tmp_path / "model"))
    source = source_of(tmp_path / "a.csv", ["hola que tal " * 20] * 2_400)
    args = ["score", str(source), "-o", str(tmp_path / "b.csv"), "--model", model, "--checkpoint-rows", "1000"]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))

    full = program(*args, preexec_fn=limit)
    assert full.returncode == 1
    assert full.stderr.count(b"\n") == 1
    assert b".b.csv.part: File too large; 1,000 rows are done and kept; the same command with --resume" in full.stderr
    assert not (tmp_path / "b.csv").exists()
    assert program(*args).stderr.startswith(b"screening: an unfinished run of")
    assert program(*args, "--resume").returncode == 0
    resumed = (tmp_path / "b.csv").read_bytes()
    assert program(*args).returncode == 0
    assert resumed == (tmp_path / "b.csv").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "b.csv", "model"]


def test_a_full_device_is_said_in_one_line(tmp_path: Path) -> None:
    model = str(save_fake_model(tmp_path / "model"))
    source = source_of(tmp_path / "a.csv", ["hola"])
    done = program("score", str(source), "-o", "/dev/full", "--format", "csv", "--model", model)
    assert (done.returncode, done.stderr) == (1, b"screening: [Errno 28] No space left on device\n")


def test_a_reader_that_goes_away_ends_the_run_quietly(tmp_path: Path) -> None:
    model = str(save_fake_model(tmp_path / "model"))
    source = source_of(tmp_path / "a.csv", ["hola que tal " * 20] * 3_000)
    score = f"{sys.executable} -m screening score {source} --model {model} --path reference"
    command = f"{score} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=REPO, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (141, b"")
    assert done.stdout == b"n,text,probability,level,language,indicators\r\n"


def test_two_runs_do_not_write_one_output(tmp_path: Path) -> None:
    source = put(tmp_path / "a.csv", "text\nx\n")

    class Second(LengthScorer):
        def score(self, texts: Sequence[str]) -> list[Verdict]:
            with pytest.raises(InputError, match="being written by another run"):
                go([source], tmp_path / "b.csv", "csv")
            return super().score(texts)

    plan = Plan(sources=(source,), output=str(tmp_path / "b.csv"), kind="csv")
    run(plan, Second(), "m", Progress("none"))
    assert len(rows_of(tmp_path / "b.csv")) == 1


def test_parquet_goes_to_standard_output_whole(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    go([source_of(tmp_path / "a.csv", ["x"] * 1_500)], "-", "parquet")
    assert pq.read_table(io.BytesIO(capsysbinary.readouterr().out)).num_rows == 1_500
