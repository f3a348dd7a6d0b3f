"""Postings in: CSV, JSONL and Parquet as streams of rows, in constant memory.

A row that cannot be read becomes a `Reject`; only a file that cannot be read as asked is an error.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import importlib
import itertools
import json
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from screening.errors import InputError, MissingExtraError

FIELD_LIMIT = 16 * 2**20  # characters of one CSV field; no posting comes near, an unclosed quote soon does
LINE_LIMIT = 4 * FIELD_LIMIT  # bytes of one line
BATCH_ROWS = 1_000  # rows of Parquet held at a time
MAX_NAMED = 50  # column names listed in an error
TEXT_COLUMNS = (
    "text",
    "description",
    "body",
    "message",
    "posting",
    "texto",
    "descripcion",
    "descripción",
    "mensaje",
    "mensagem",
    "descricao",
    "descrição",
)
FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}

_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of a wrong byte
_UTF16 = ("\udcff\udcfe", "\udcfe\udcff")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read; `place` is its line (Parquet: its row), from 1; `record` the one-row Arrow batch, if any."""

    place: int
    values: Mapping[str, Any]
    record: Any = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A row left out, and why; never its text."""

    file: str
    unit: str
    place: int
    reason: str

    def to_json(self) -> str:
        """Return the line for the rejects file."""
        return json.dumps({"file": self.file, self.unit: self.place, "reason": self.reason}, ensure_ascii=False)


@dataclass(frozen=True)
class Table:
    """An open input. `columns` is None where each row names its own fields (JSONL)."""

    name: str
    rows: Iterator[Row | Reject]
    columns: tuple[str, ...] | None = None
    delimiter: str = ","
    schema: Any = None
    unit: str = "line"

    def reject(self, place: int, reason: str) -> Reject:
        """Return a reject of this table."""
        return Reject(self.name, self.unit, place, reason)


def format_of(name: str, fallback: str | None) -> str:
    """Return "csv", "jsonl" or "parquet" by the name's suffix (before .gz), otherwise the fallback."""
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    if found := FORMATS.get(suffix) or fallback:
        return found
    what = "standard input has no file name" if name == "-" else f"{name}: the suffix does not tell the format"
    raise InputError(f"{what}; add --format csv, jsonl or parquet")


@contextlib.contextmanager
def open_table(source: str, fallback: str | None = None) -> Iterator[Table]:
    """Yield the table of one file, "-" for standard input; .gz is unpacked on the way.

    Raises
    ------
    InputError
        If it cannot be read, is damaged, or is not of its format.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.
    """
    name = "stdin" if source == "-" else source
    read = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}[format_of(source, fallback)]
    with contextlib.ExitStack() as stack:
        with _as_input_error(name):
            stream = stack.enter_context(_open_input(source))
            table = read(stream, name, stack)
        yield table


@contextlib.contextmanager
def _as_input_error(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {name}: {why}") from error


def _guarded(rows: Iterator[Row | Reject], name: str) -> Iterator[Row | Reject]:
    with _as_input_error(name):
        yield from rows


def _open_input(source: str) -> contextlib.AbstractContextManager[IO[bytes]]:
    if source == "-":
        return contextlib.nullcontext(sys.stdin.buffer)
    if source.lower().endswith(".gz"):
        return cast(IO[bytes], gzip.open(source))
    return open(source, "rb")


class _Lines(Iterator[str]):
    """The lines of a stream, decoded; wrong bytes become lone surrogates, so that only their row is lost.

    Counts lines, and the quotes since `start_row`: inside a quoted CSV field their number is odd.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.number = self.quotes = 0
        self.cut = False

    def __next__(self) -> str:
        line = self._stream.readline(LINE_LIMIT)
        if not line:
            raise StopIteration
        self.number += 1
        self.quotes += line.count(b'"')
        if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
            self._drop_rest()
        return line.decode("utf-8-sig" if self.number == 1 else "utf-8", "surrogateescape")

    def _drop_rest(self) -> None:
        self.cut = True
        rest = b"more"
        while rest and not rest.endswith(b"\n"):
            rest = self._stream.readline(LINE_LIMIT)
            self.quotes += rest.count(b'"')

    def start_row(self) -> int:
        """Forget the last row; return the line at which the next one starts."""
        self.quotes, self.cut = 0, False
        return self.number + 1

    def skip_quoted(self) -> bool:
        """Skip to the end of a quoted field given up in the middle; False if it never ends."""
        while self.quotes % 2:
            if next(self, None) is None:
                return False
        return True


def _read_csv(stream: IO[bytes], name: str, stack: contextlib.ExitStack) -> Table:
    csv.field_size_limit(FIELD_LIMIT)
    lines = _Lines(stream)
    first = next(lines, "")
    if first.startswith(_UTF16):
        raise InputError(f"{name} is UTF-16, not UTF-8; save it as UTF-8")
    delimiter = max(",;\t", key=first.count)  # spreadsheets in Spanish and Portuguese write semicolons
    reader = csv.reader(itertools.chain([first] if first else [], lines), strict=True, delimiter=delimiter)
    columns = _header(reader, name)
    return Table(name, _guarded(_csv_rows(reader, lines, columns, name), name), columns, delimiter)


def _header(reader: Iterator[list[str]], name: str) -> tuple[str, ...]:
    try:
        columns = tuple(next(reader, ()))
    except csv.Error as error:
        raise InputError(f"{name}: the header line is not CSV: {error}") from error
    if not any(columns):
        raise InputError(f"{name} is empty or starts with an empty line; a CSV file starts with a line of column names")
    if any(_NOT_UTF8.search(c) or "\0" in c for c in columns):
        raise InputError(f"{name}: the header line is not UTF-8 text; save the file as UTF-8")
    if twice := sorted({c for c in columns if columns.count(c) > 1}):
        raise InputError(f"{name}: columns given twice: {', '.join(map(repr, twice))}; rename one of each")
    return columns


def _csv_rows(
    reader: Iterator[list[str]], lines: _Lines, columns: tuple[str, ...], name: str
) -> Iterator[Row | Reject]:
    while True:
        place = lines.start_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Reject(name, "line", place, _csv_reason(error, lines))
            continue
        if not cells:
            continue  # a blank line is no row
        reason = _cells_reason(cells, columns, lines.cut)
        yield Reject(name, "line", place, reason) if reason else Row(place, dict(zip(columns, cells, strict=True)))


def _csv_reason(error: csv.Error, lines: _Lines) -> str:
    if "field limit" not in str(error):
        return f"not CSV: {error}"
    closed = lines.skip_quoted()
    return f"a field is longer than {FIELD_LIMIT} characters" + ("" if closed else "; a quote opened here never closes")


def _cells_reason(cells: list[str], columns: tuple[str, ...], cut: bool) -> str | None:
    if cut:
        return f"the line is longer than {LINE_LIMIT} bytes"
    if len(cells) != len(columns):
        return f"{len(cells)} fields where the header has {len(columns)}"
    if any(map(_NOT_UTF8.search, cells)):
        return "not valid UTF-8"
    return "holds a NUL character" if any("\0" in cell for cell in cells) else None


def _read_jsonl(stream: IO[bytes], name: str, stack: contextlib.ExitStack) -> Table:
    return Table(name, _guarded(_jsonl_rows(_Lines(stream), name), name))


def _jsonl_rows(lines: _Lines, name: str) -> Iterator[Row | Reject]:
    for line in lines:
        place = lines.number
        if not line.strip() and not lines.cut:
            continue
        values = _parse_json(line, lines.cut)
        lines.start_row()
        yield Reject(name, "line", place, values) if isinstance(values, str) else Row(place, values)


def _parse_json(line: str, cut: bool) -> dict[str, Any] | str:
    """Return the object of a line, or the reason why there is none."""
    if cut:
        return f"the line is longer than {LINE_LIMIT} bytes"
    if _NOT_UTF8.search(line):
        return "not valid UTF-8"
    try:
        values = json.loads(line, parse_constant=_refuse_constant)
        if _HALF_PAIR.search(line):
            json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "half a surrogate pair in an escape"
    except (ValueError, RecursionError):
        return "invalid JSON"
    return values if isinstance(values, dict) else f"a JSON {type(values).__name__}, not an object"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def import_arrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError("pyarrow", "tables", "Parquet") from error


def _read_parquet(stream: IO[bytes], name: str, stack: contextlib.ExitStack) -> Table:
    _, parquet = import_arrow()
    if stream is sys.stdin.buffer or isinstance(stream, gzip.GzipFile):
        stream = _spooled(stream, stack)
    file = stack.enter_context(parquet.ParquetFile(stream))
    schema = file.schema_arrow
    rows = _guarded(_parquet_rows(file.iter_batches(batch_size=BATCH_ROWS), name), name)
    return Table(name, rows, tuple(schema.names), schema=schema, unit="row")


def _spooled(stream: IO[bytes], stack: contextlib.ExitStack) -> IO[bytes]:
    """Return a copy on disk to seek in: Parquet is read from its end."""
    spool: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 -- the stack closes it
    shutil.copyfileobj(stream, spool)
    return spool


def _parquet_rows(batches: Iterable[Any], name: str) -> Iterator[Row | Reject]:
    place = 0
    for batch in batches:
        for i in range(batch.num_rows):
            place += 1
            record = batch.slice(i, 1)
            try:
                values = record.to_pylist()[0]
            except ValueError:  # UnicodeDecodeError too: Arrow does not check a file's strings
                yield Reject(name, "row", place, "a value cannot be read, or is not valid UTF-8")
            else:
                yield Row(place, values, record)


def find_text(columns: Iterable[str], wanted: str | None) -> str | None:
    """Return the column that holds the posting: `wanted`, otherwise the first known name in any case; None if none."""
    columns = list(columns)
    if wanted is not None:
        return wanted if wanted in columns else None
    by_name = {column.casefold(): column for column in reversed(columns)}
    return next((by_name[name] for name in TEXT_COLUMNS if name in by_name), None)


def postings(table: Table, wanted: str | None = None) -> Iterator[tuple[Row, str] | Reject]:
    """Yield each row with its posting, or its reject, in order.

    Raises
    ------
    InputError
        If no column can hold the posting: at once, for JSONL when the last row has none either.
    """
    column = find_text(table.columns or (), wanted)
    if table.columns is not None and column is None:
        raise _no_text(table.columns, wanted, table.name)
    seen: dict[str, None] = {}
    for row in table.rows:
        if isinstance(row, Reject):
            yield row
            continue
        if column is None:
            seen.update(dict.fromkeys(itertools.islice(row.values, MAX_NAMED - len(seen))))
            column = find_text(row.values, wanted)
        reason = _text_reason(row.values, column)
        yield table.reject(row.place, reason) if reason else (row, row.values[column or ""])
    if column is None and seen:
        raise _no_text(seen, wanted, table.name)


def _no_text(columns: Iterable[str], wanted: str | None, name: str) -> InputError:
    sought = f"no column {wanted!r}" if wanted is not None else "no column known to hold the posting"
    seen = ", ".join(map(repr, itertools.islice(columns, MAX_NAMED)))
    return InputError(f"{name}: {sought}; its columns are {seen}. Name one of them with --text")


def _text_reason(values: Mapping[str, Any], column: str | None) -> str | None:
    if column is None or column not in values:
        return "no text field"
    text = values[column]
    if not isinstance(text, str):
        return f"the text is {'null' if text is None else type(text).__name__}, not a string"
    return "holds a NUL character" if any("\0" in v for v in values.values() if isinstance(v, str)) else None
