"""Rows in and out: every format, hostile files, and frames."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import fake_screener
from hypothesis import given
from hypothesis import strategies as st

from screening import InputError, MissingExtraError, Screener
from screening import lines as lines_module
from screening.inputs import find_text, format_of, open_table, postings
from screening.outputs import ArrowWriter, arrow_tables, csv_line, guarded, make_writer, parquet_from, replacing
from screening.packing import pack, packing_of
from screening.rows import Opened, Position, Reject, Row
from screening.tables import screen_frame

CELLS = (0.25, "review", "es", ("off-platform", "urgency"))


@pytest.fixture(scope="module")
def screener() -> Screener:
    return fake_screener()


def read(path: Path, text: str | None = None) -> tuple[list[str], list[Reject]]:
    """Return the postings and the rejects of one file."""
    with open_table(str(path)) as table:
        items = list(postings(table, text))
    return [i[1] for i in items if not isinstance(i, Reject)], [i for i in items if isinstance(i, Reject)]


def written(target: Path, kind: str, sources: list[Path], batch_rows: int = 1_000, **options: Any) -> list[str]:
    """Copy files through a writer; return the reasons of the rows that did not fit."""
    reasons: list[str] = []
    writer = make_writer(kind, **options)
    chunks = []
    for source in sources:
        with open_table(str(source)) as table:
            writer.begin(table)
            for number, row in enumerate(table.rows, 1):
                if isinstance(row, Row):
                    reasons += filter(None, [writer.write(row, CELLS)])
                if number % batch_rows == 0:
                    chunks.append(writer.flush().data)
            chunks.append(writer.flush().data)
    rows = b"".join(chunks)
    if isinstance(writer, ArrowWriter):
        rows = rows or writer.header()
        with target.open("wb") as stream:
            parquet_from(arrow_tables(io.BytesIO(rows), len(rows)), stream)
    else:
        target.write_bytes(pack(writer.header() + rows, packing_of(target.name)))
    return reasons


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def csv_rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.reader(stream))


# --- names


@pytest.mark.parametrize(
    ("columns", "wanted", "found"),
    [
        pytest.param(["id", "text"], None, "text", id="text comes first"),
        pytest.param(["Descripción"], None, "Descripción", id="case does not matter, accents stay"),
        pytest.param(["message", "description"], None, "description", id="our order, not the file's"),
        pytest.param(["a", "b"], "b", "b", id="a named column"),
        pytest.param(["text"], "Text", None, id="a named column is taken exactly"),
        pytest.param(["a"], None, None, id="none"),
    ],
)
def test_text_column_is_found_by_name(columns: list[str], wanted: str | None, found: str | None) -> None:
    assert find_text(columns, wanted) == found


@pytest.mark.parametrize("name", ["a.csv", "a.CSV.GZ", "x/a.csv.gz"])
def test_suffix_tells_the_format(name: str) -> None:
    assert format_of(name, "jsonl") == "csv"


@pytest.mark.parametrize("name", ["-", "a.txt"])
def test_format_is_asked_for_where_no_suffix_tells_it(name: str) -> None:
    assert format_of(name, "parquet") == "parquet"
    with pytest.raises(InputError, match="--format"):
        format_of(name, None)


# --- CSV in


def test_csv_keeps_embedded_newlines_quotes_and_places(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", 'id,text\r\n1,"one ""two""\r\nthree"\r\n\r\n2,four\r\n')
    with open_table(str(path)) as table:
        rows = list(table.rows)
    assert rows == [Row(2, {"id": "1", "text": 'one "two"\r\nthree'}), Row(5, {"id": "2", "text": "four"})]


def test_csv_with_a_byte_order_mark_and_semicolons_is_read(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", b"\xef\xbb\xbfid;mensaje\n1;hola, amiga\n")
    assert read(path) == (["hola, amiga"], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"1,caf\xe9", "not valid UTF-8", id="a Latin-1 byte"),
        pytest.param(b"1,a\x00b", "NUL", id="a NUL"),
        pytest.param(b"1,a,b", "3 fields where the header has 2", id="a field too many"),
        pytest.param(b"1", "1 fields where the header has 2", id="a field too few"),
        pytest.param(b'1,"a"b', "not CSV", id="text after a closing quote"),
    ],
)
def test_bad_csv_rows_are_rejected_and_the_rest_is_kept(tmp_path: Path, line: bytes, reason: str) -> None:
    path = put(tmp_path / "a.csv", b"id,text\n0,before\n" + line + b"\n2,after\n")
    texts, [reject] = read(path)
    assert texts == ["before", "after"]
    assert (reject.place, reject.unit, reject.file) == (3, "line", str(path))
    assert reason in reject.reason


def test_a_huge_field_is_rejected_whole_even_over_many_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "FIELD_LIMIT", 1000)
    forged = "x\nforged row\n" * 200
    path = put(tmp_path / "a.csv", f'text\nbefore\n"{forged}"\nafter\n')
    texts, rejects = read(path)
    assert texts == ["before", "after"]
    assert [r.reason for r in rejects] == ["a field is longer than 1000 characters"]


def test_a_quote_that_never_closes_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "FIELD_LIMIT", 1000)
    path = put(tmp_path / "a.csv", 'text\nbefore\n"' + "x\n" * 2000)
    texts, rejects = read(path)
    assert texts == ["before"]
    assert "never closes" in rejects[0].reason


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_line_past_the_limit_is_rejected_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(lines_module, "LINE_LIMIT", 64)
    lines = {
        "csv": ["text", "before", "x" * 1000, "after"],
        "jsonl": [json.dumps({"text": t}) for t in ("a", "x" * 1000, "b")],
    }
    texts, rejects = read(put(tmp_path / f"a.{suffix}", "\n".join(lines[suffix])))
    assert len(texts) == 2
    assert [r.reason for r in rejects] == ["the line is longer than 64 bytes"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is empty", id="no header"),
        pytest.param(b"id,id,text\n", "given twice: 'id'", id="a column twice"),
        pytest.param("id,text\n".encode("utf-16"), "UTF-16", id="UTF-16"),
        pytest.param(b"id,t\xe9xt\n", "not UTF-8", id="a Latin-1 header"),
        pytest.param(b"id,titulo\n1,x\n", "its columns are 'id', 'titulo'", id="no column for the posting"),
    ],
)
def test_a_csv_file_that_cannot_be_used_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(put(tmp_path / "a.csv", content))


def test_a_header_alone_is_no_row(tmp_path: Path) -> None:
    assert read(put(tmp_path / "a.csv", "id,text\n")) == ([], [])


# --- JSONL in


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b"{", "invalid JSON", id="cut"),
        pytest.param(b"[1]", "a JSON list, not an object", id="a list"),
        pytest.param(b'{"id": 1}', "no text field", id="no text"),
        pytest.param(b'{"text": null}', "the text is null, not a string", id="null"),
        pytest.param(b'{"text": 5}', "the text is int, not a string", id="a number"),
        pytest.param(b'{"text": "\xff"}', "not valid UTF-8", id="a wrong byte"),
        pytest.param(b'{"text": "\\ud83d"}', "half a surrogate pair in an escape", id="half an emoji"),
        pytest.param(b'{"text": "a\\u0000"}', "holds a NUL character", id="a NUL"),
        pytest.param(b'{"text": "a", "n": NaN}', "invalid JSON", id="NaN"),
        pytest.param(b"[" * 100_000, "invalid JSON", id="deep nesting"),
        pytest.param(b'{"text": "a", "n": ' + b"9" * 5000 + b"}", "invalid JSON", id="a number of 5,000 digits"),
    ],
)
def test_bad_json_lines_are_rejected_and_the_rest_is_kept(tmp_path: Path, line: bytes, reason: str) -> None:
    path = put(tmp_path / "a.jsonl", b'{"text": "one\\ud83d\\udc95"}\n\n' + line + b'\n{"text": "two"}')
    texts, rejects = read(path)
    assert texts == ["one\N{TWO HEARTS}", "two"]
    assert [(r.place, r.reason) for r in rejects] == [(3, reason)]


def test_json_lines_end_at_newlines_only(tmp_path: Path) -> None:
    text = "a\N{LINE SEPARATOR}b\x85c"
    assert read(put(tmp_path / "a.jsonl", json.dumps({"text": text}, ensure_ascii=False)))[0] == [text]


def test_json_lines_without_any_text_field_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its columns are 'id', 'titulo'"):
        read(put(tmp_path / "a.jsonl", '{"id": 1}\n{"titulo": "x"}\n'))
    assert read(put(tmp_path / "b.jsonl", "")) == ([], [])


# --- Parquet and .gz in


def test_parquet_rows_count_from_one_and_nulls_are_rejected(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", None, "b"]}), tmp_path / "a.parquet")
    texts, rejects = read(tmp_path / "a.parquet")
    assert texts == ["a", "b"]
    assert [(r.unit, r.place) for r in rejects] == [("row", 2)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.parquet", b"PAR1 not really PAR1", id="not Parquet"),
        pytest.param("a.csv.gz", b"text\nplain", id="not gzip"),
        pytest.param("a.jsonl.gz", gzip.compress(b'{"text": "abc"}\n' * 999)[:-20], id="cut gzip"),
    ],
)
def test_damaged_files_are_errors_that_name_the_file(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(InputError, match=name):
        read(put(tmp_path / name, content))


def test_gzip_is_read_and_written(tmp_path: Path) -> None:
    source = put(tmp_path / "a.csv.gz", gzip.compress(b"text\nhola\n"))
    assert read(source)[0] == ["hola"]
    written(tmp_path / "b.jsonl.gz", "jsonl", [source])
    assert json.loads(gzip.decompress((tmp_path / "b.jsonl.gz").read_bytes()))["text"] == "hola"


def test_missing_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "a.parquet")
    for module in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'deceptive-offer-screening\[tables\]'"):
        read(tmp_path / "a.parquet")


# --- out


def test_csv_cells_that_a_spreadsheet_would_run_are_guarded(tmp_path: Path) -> None:
    source = put(tmp_path / "a.csv", 'text,n\n"=cmd|\' /C calc\'!A0",-5\n@x,+1.5\n"\t=1",a=1\n')
    written(tmp_path / "b.csv", "csv", [source])
    rows = csv_rows(tmp_path / "b.csv")[1:]
    assert [row[:2] for row in rows] == [["'=cmd|' /C calc'!A0", "-5"], ["'@x", "+1.5"], ["'\t=1", "a=1"]]
    assert [row[2:] for row in rows] == [["0.25", "review", "es", "off-platform;urgency"]] * 3


def test_the_guard_can_be_turned_off(tmp_path: Path) -> None:
    written(tmp_path / "b.csv", "csv", [put(tmp_path / "a.csv", "text\n=1\n")], guard=False)
    assert (tmp_path / "b.csv").read_text().splitlines()[1].startswith("=1,")


@given(st.lists(st.text(st.sampled_from('a,;\t"\r\n \u00f1')), min_size=2, max_size=4), st.sampled_from(",;\t"))
def test_a_line_is_what_the_csv_module_writes(cells: list[str], delimiter: str) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerow(cells)
    assert csv_line(cells, delimiter) == stream.getvalue()


@given(st.text())
def test_no_guarded_cell_is_a_formula(text: str) -> None:
    cell = guarded(text)
    assert cell in (text, "'" + text)
    assert not cell.startswith(("=", "@", "\t", "\r", "\n"))
    assert not cell.startswith(("+", "-")) or set(cell[1:]) <= set("0123456789.,%")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=5))
def test_csv_written_is_csv_read(texts: list[str]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([["i", "text"], *([i, t] for i, t in enumerate(texts))])
    with contextlib.ExitStack() as stack:
        opened = Opened("a", io.BytesIO(stream.getvalue().encode()), "", stack)
        table = lines_module.read_csv(opened, Position())
    assert [row.values["text"] for row in table.rows if isinstance(row, Row)] == texts


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_clash_of_names_says_what_to_do(tmp_path: Path, kind: str) -> None:
    for source in (
        put(tmp_path / "a.csv", "text,level\nx,1\n"),
        put(tmp_path / "a.jsonl", '{"text": "x", "level": 1}'),
    ):
        with pytest.raises(InputError, match=r"'level'.*--prefix"):
            written(tmp_path / "out", kind, [source])
        assert not (tmp_path / "out").exists()
        assert written(tmp_path / "ok", kind, [source], prefix="s_") == []


def test_jsonl_rows_keep_their_own_fields(tmp_path: Path) -> None:
    source = put(
        tmp_path / "a.jsonl",
        '{"text": "ñ", "n": {"a": [1]}}\n{"text": "y", "other": null}\n{"text": "z", "level": 1}\n',
    )
    reasons = written(tmp_path / "b.jsonl", "jsonl", [source])
    rows = [json.loads(line) for line in (tmp_path / "b.jsonl").read_text("utf-8").splitlines()]
    assert rows[0] == {"text": "ñ", "n": {"a": [1]}, "probability": 0.25, "level": "review", "language": "es",
                       "indicators": ["off-platform", "urgency"]}  # fmt: skip
    assert "other" in rows[1]
    assert reasons == ["has a field with a name of ours; add --prefix screening_"]


def test_jsonl_to_csv_takes_the_columns_of_the_first_row(tmp_path: Path) -> None:
    source = put(tmp_path / "a.jsonl", '{"text": "x", "n": [1], "b": true}\n{"text": "y"}\n{"text": "z", "new": 1}\n')
    reasons = written(tmp_path / "b.csv", "csv", [source])
    rows = csv_rows(tmp_path / "b.csv")
    assert [row[:3] for row in rows] == [["text", "n", "b"], ["x", "[1]", "true"], ["y", "", ""]]
    assert reasons == ["has fields that the first row lacks; --format jsonl keeps them"]


def test_parquet_to_parquet_keeps_types_and_metadata(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "t": pd.to_datetime(["2020-01-01T00:00:00.000000001"] * 2), "c": [1, 2]})
    frame["c"] = frame["c"].astype("category")
    frame.to_parquet(tmp_path / "a.parquet")
    written(tmp_path / "b.parquet", "parquet", [tmp_path / "a.parquet"] * 2)
    before, after = pq.read_schema(tmp_path / "a.parquet"), pq.read_schema(tmp_path / "b.parquet")
    assert [after.field(name) for name in before.names] == list(before)
    assert after.metadata == before.metadata
    assert pq.read_table(tmp_path / "b.parquet")["indicators"].to_pylist() == [list(CELLS[3])] * 4


def test_jsonl_to_parquet_takes_types_of_the_first_rows(tmp_path: Path) -> None:
    lines = [{"text": "a", "n": 1, "x": 1, "d": {"k": 1}}, {"text": "b", "x": 2.5}, {"text": "c", "n": 3}]
    lines += [{"text": "d", "n": "?"}, {"text": "e", "new": 1}]
    source = put(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))
    reasons = written(tmp_path / "b.parquet", "parquet", [source], batch_rows=2)
    table = pq.read_table(tmp_path / "b.parquet")
    assert [str(table.schema.field(n).type) for n in ("text", "n", "x", "d")] == ["string", "int64", "double", "string"]
    assert table["n"].to_pylist() == [1, None, 3]
    assert table["d"].to_pylist() == ['{"k": 1}', None, None]
    assert len(reasons) == 2


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_no_rows_make_a_file_with_names_only(tmp_path: Path, kind: str) -> None:
    written(tmp_path / "out", kind, [put(tmp_path / "a.csv", "id,text\n")])
    content = (tmp_path / "out").read_bytes()
    names = "id,text,probability,level,language,indicators"
    assert {"csv": content == names.encode() + b"\r\n", "jsonl": content == b""}.get(kind) or (
        pq.read_schema(tmp_path / "out").names == names.split(",")
    )


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_inputs_with_other_columns_are_an_error(tmp_path: Path, kind: str) -> None:
    sources = [put(tmp_path / "a.csv", "id,text\n1,x\n"), put(tmp_path / "b.csv", "text\ny\n")]
    with pytest.raises(InputError, match=r"b\.csv has other columns"):
        written(tmp_path / "out", kind, sources)


def test_a_file_stays_as_it_was_when_writing_fails(tmp_path: Path) -> None:
    target = put(tmp_path / "out", "old")
    with contextlib.suppress(KeyboardInterrupt), replacing(str(target)) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_link_is_followed_and_a_device_is_not_replaced(tmp_path: Path) -> None:
    target = put(tmp_path / "real", "old")
    (tmp_path / "link").symlink_to(target)
    with replacing(str(tmp_path / "link")) as stream:
        stream.write(b"new")
    assert target.read_text() == "new"
    with replacing("/dev/null") as stream:
        stream.write(b"x")
    assert not Path("/dev/null").is_file()


# --- frames


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(pd.Index([7, 7, 7]), id="duplicates"),
        pytest.param(pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]), id="two levels"),
    ],
)
def test_frame_keeps_its_index(screener: Screener, index: pd.Index[Any]) -> None:
    frame = pd.DataFrame({"body": ["hola", None, float("nan")]}, index=index, dtype=object)
    result = screen_frame(screener, frame, "body")
    assert result.index.equals(index)
    assert list(result.columns) == ["probability", "level", "language", "indicators"]
    assert result["probability"].isna().tolist() == [False, True, True]
    assert result["level"].tolist() == ["low", None, None]
    assert result["indicators"].tolist() == [(), (), ()]


def test_frame_agrees_with_one_by_one(screener: Screener) -> None:
    texts = ["Faça um pix de 50 reais para liberar as tarefas.", "Bom dia", ""]
    result = screener.screen_frame(pd.DataFrame({"text": texts}))
    singly = [screener.screen(text) for text in texts]
    assert result["probability"].tolist() == [a.probability for a in singly]
    assert result["indicators"].tolist() == [a.indicators for a in singly]


def test_an_empty_frame_gives_an_empty_frame(screener: Screener) -> None:
    assert screener.screen_frame(pd.DataFrame({"text": []})).shape == (0, 4)


def test_a_wrong_column_lists_those_there(screener: Screener) -> None:
    with pytest.raises(KeyError, match="the frame has: a, b"):
        screener.screen_frame(pd.DataFrame({"a": [], "b": []}))
