"""Postings in: CSV, JSONL and Parquet as streams of rows, in constant memory.

A row that cannot be read becomes a `Reject`; only a file that cannot be read as asked is an error.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from screening.arrow import import_arrow
from screening.errors import InputError
from screening.packing import damage, packing_of, unpacked

FIELD_LIMIT = 16 * 2**20  # characters of one CSV field; no posting comes near, an unclosed quote soon does
LINE_LIMIT = 4 * FIELD_LIMIT  # bytes of one line
BATCH_ROWS = 250  # rows of Parquet held at a time
READ_BYTES = 2**20  # of each column of Parquet read at a time, however large its groups of rows are
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

NOT_UTF8 = "not valid UTF-8"
NOT_UTF8_HELP = "save the file as UTF-8 (from Latin-1: iconv -f WINDOWS-1252 -t UTF-8 FILE)"
HAS_NUL = "holds a NUL character"

_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of a wrong byte
_UTF16 = ("\udcff\udcfe", "\udcfe\udcff")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as read; `place` is its line (Parquet: its row), from 1; `record` its Arrow batch and index there."""

    place: int
    values: Mapping[str, Any]
    record: tuple[Any, int] | None = None


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


class Position(NamedTuple):
    """A place between two rows: the bytes before it, unpacked (Parquet: none counted), and the lines or rows."""

    offset: int = 0
    place: int = 0


@dataclass(frozen=True)
class Table:
    """An open input. `columns` is None where each row names its own fields (JSONL).

    `tell` returns the position after the last row read; `consumed` the bytes of the file read, as they are stored.
    """

    name: str
    rows: Iterator[Row | Reject]
    columns: tuple[str, ...] | None = None
    delimiter: str = ","
    schema: Any = None
    unit: str = "line"
    tell: Callable[[], Position] = Position
    consumed: Callable[[], int] = int

    def reject(self, place: int, reason: str) -> Reject:
        """Return a reject of this table."""
        return Reject(self.name, self.unit, place, reason)


def format_of(name: str, fallback: str | None) -> str:
    """Return "csv", "jsonl" or "parquet" by the name's suffix (before .gz and the like), otherwise the fallback."""
    suffix = Path(name.lower().removesuffix(packing_of(name))).suffix
    if found := FORMATS.get(suffix) or fallback:
        return found
    what = "standard input has no file name" if name == "-" else f"{name}: the suffix does not tell the format"
    raise InputError(f"{what}; add --format csv, jsonl or parquet")


@contextlib.contextmanager
def open_table(source: str, fallback: str | None = None, start: Position | None = None) -> Iterator[Table]:
    """Yield the table of one file, "-" for standard input; a packed file (.gz, .bz2, .xz, .zst) is unpacked on the way.

    `start` is a position that `tell` of the same file gave: rows before it are passed over.

    Raises
    ------
    InputError
        If it cannot be read, is damaged, or is not of its format.
    MissingExtraError
        If it is Parquet or .zst and pyarrow is not installed.
    """
    name = "stdin" if source == "-" else source
    read = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}[format_of(source, fallback)]
    with contextlib.ExitStack() as stack:
        with _as_input_error(name):
            raw = sys.stdin.buffer if source == "-" else stack.enter_context(open(source, "rb"))
            table = read(_Opened(name, raw, packing_of(source), stack), start or Position())
        yield table


@dataclass(frozen=True)
class _Opened:
    """A file as stored, and how to read it; what `stack` holds is closed with the table."""

    name: str
    raw: IO[bytes]
    packing: str
    stack: contextlib.ExitStack

    def unpacked(self) -> IO[bytes]:
        return self.stack.enter_context(unpacked(self.raw, self.packing)) if self.packing else self.raw

    def seekable(self) -> IO[bytes]:
        """Return the file, or a copy on disk to seek in: Parquet is read from its end."""
        if not self.packing and self.raw.seekable() and self.raw is not sys.stdin.buffer:
            return self.raw
        spool: IO[bytes] = self.stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 -- the stack closes it
        shutil.copyfileobj(self.unpacked(), spool)
        return spool

    def consumed(self, lines: _Lines) -> Callable[[], int]:
        return (lambda: lines.offset) if self.raw is sys.stdin.buffer else self.raw.tell


@contextlib.contextmanager
def _as_input_error(name: str) -> Iterator[None]:
    try:
        yield
    except damage() as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {name}: {why}") from error


def _guarded(rows: Iterator[Row | Reject], name: str) -> Iterator[Row | Reject]:
    with _as_input_error(name):
        yield from rows


class _Lines(Iterator[str]):
    """The lines of a stream, decoded; wrong bytes become lone surrogates, so that only their row is lost.

    Counts lines and bytes. Since `start_row` it counts the quotes too (inside a quoted CSV field their
    number is odd), and notes whether a line was cut, had bytes that are not UTF-8, or a NUL.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.number = self.offset = self.quotes = 0
        self.cut = self.wrong = self.nul = False

    def __next__(self) -> str:
        line = self._stream.readline(LINE_LIMIT)
        if not line:
            raise StopIteration
        self.number += 1
        self.offset += len(line)
        self.quotes += line.count(b'"')
        self.nul = self.nul or b"\0" in line
        if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
            self._drop_rest()
        codec = "utf-8-sig" if self.number == 1 else "utf-8"
        try:
            return line.decode(codec)
        except UnicodeDecodeError:
            self.wrong = True
            return line.decode(codec, "surrogateescape")

    def _drop_rest(self) -> None:
        self.cut = True
        rest = b"more"
        while rest and not rest.endswith(b"\n"):
            rest = self._stream.readline(LINE_LIMIT)
            self.offset += len(rest)
            self.quotes += rest.count(b'"')

    def start_row(self) -> int:
        """Forget the last row; return the line at which the next one starts."""
        self.quotes, self.cut, self.wrong, self.nul = 0, False, False, False
        return self.number + 1

    def skip_quoted(self) -> bool:
        """Skip to the end of a quoted field given up in the middle; False if it never ends."""
        while self.quotes % 2:
            if next(self, None) is None:
                return False
        return True

    def tell(self) -> Position:
        return Position(self.offset, self.number)

    def skip_to(self, position: Position) -> None:
        """Go on from a position at or after this one; a packed stream can only be read up to it."""
        if isinstance(self._stream, io.BufferedReader) and self._stream.seekable():
            self._stream.seek(position.offset)
        else:
            self._read_to(position.offset)
        self.offset, self.number = position

    def _read_to(self, offset: int) -> None:
        left = offset - self.offset
        while left and (skipped := len(self._stream.read(min(left, 2**20)))):
            left -= skipped


def _read_csv(opened: _Opened, start: Position) -> Table:
    csv.field_size_limit(FIELD_LIMIT)
    name, lines = opened.name, _Lines(opened.unpacked())
    first = next(lines, "")
    if first.startswith(_UTF16):
        raise _utf16(name)
    delimiter = max(",;\t", key=first.count)  # spreadsheets in Spanish and Portuguese write semicolons
    reader = csv.reader(itertools.chain([first] if first else [], lines), strict=True, delimiter=delimiter)
    columns = _header(reader, name)
    if start.place:
        lines.skip_to(start)
    rows = _guarded(_csv_rows(reader, lines, columns, name), name)
    return Table(name, rows, columns, delimiter, tell=lines.tell, consumed=opened.consumed(lines))


def _utf16(name: str) -> InputError:
    return InputError(f"{name} is UTF-16, not UTF-8; save it as UTF-8")


def _header(reader: Iterator[list[str]], name: str) -> tuple[str, ...]:
    try:
        columns = tuple(next(reader, ()))
    except csv.Error as error:
        raise InputError(f"{name}: the header line is not CSV: {error}") from error
    if not any(columns):
        raise InputError(f"{name} is empty or starts with an empty line; a CSV file starts with a line of column names")
    if any(_NOT_UTF8.search(c) or "\0" in c for c in columns):
        raise InputError(f"{name}: the header line is not UTF-8 text; {NOT_UTF8_HELP}")
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
        reason = _cells_reason(cells, columns, lines)
        yield Reject(name, "line", place, reason) if reason else Row(place, dict(zip(columns, cells, strict=True)))


def _csv_reason(error: csv.Error, lines: _Lines) -> str:
    if "field limit" not in str(error):
        return f"not CSV: {error}"
    closed = lines.skip_quoted()
    return f"a field is longer than {FIELD_LIMIT} characters" + ("" if closed else "; a quote opened here never closes")


def _cells_reason(cells: list[str], columns: tuple[str, ...], lines: _Lines) -> str | None:
    if lines.cut:
        return f"the line is longer than {LINE_LIMIT} bytes"
    if len(cells) != len(columns):
        return f"{len(cells)} fields where the header has {len(columns)}"
    if lines.wrong:
        return NOT_UTF8
    return HAS_NUL if lines.nul else None


def _read_jsonl(opened: _Opened, start: Position) -> Table:
    name, lines = opened.name, _Lines(opened.unpacked())
    if start.place:
        lines.skip_to(start)
    rows = _guarded(_jsonl_rows(lines, name), name)
    return Table(name, rows, tell=lines.tell, consumed=opened.consumed(lines))


def _jsonl_rows(lines: _Lines, name: str) -> Iterator[Row | Reject]:
    for line in lines:
        place = lines.number
        if place == 1 and line.startswith(_UTF16):
            raise _utf16(name)
        if not line.strip() and not lines.cut:
            continue
        values = _parse_json(line, lines)
        lines.start_row()
        yield Reject(name, "line", place, values) if isinstance(values, str) else Row(place, values)


def _parse_json(line: str, lines: _Lines) -> dict[str, Any] | str:
    """Return the object of a line, or the reason why there is none."""
    if lines.cut:
        return f"the line is longer than {LINE_LIMIT} bytes"
    if lines.wrong:
        return NOT_UTF8
    try:
        values = _JSON.decode(line)
        if "\\u" in line and _HALF_PAIR.search(line):
            json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "half a surrogate pair in an escape"
    except (ValueError, RecursionError):
        return "invalid JSON"
    return values if isinstance(values, dict) else f"a JSON {type(values).__name__}, not an object"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)


def _read_parquet(opened: _Opened, start: Position) -> Table:
    parquet = import_arrow("pyarrow.parquet")
    stream = opened.seekable()
    size = stream.seek(0, io.SEEK_END)
    # Read ahead, the default, is never let go of before the last row: a file of 540 MB took 690 (pyarrow 26).
    file = opened.stack.enter_context(parquet.ParquetFile(stream, pre_buffer=False, buffer_size=READ_BYTES))
    rows = _ParquetRows(file, opened.name, start.place)
    # The file is not read from front to end, so the bytes read are told by the share of rows.
    return Table(
        opened.name,
        _guarded(rows, opened.name),
        tuple(file.schema_arrow.names),
        schema=file.schema_arrow,
        unit="row",
        tell=lambda: Position(0, rows.place),
        consumed=lambda: size * rows.place // max(1, file.metadata.num_rows),
    )


class _ParquetRows(Iterator[Row | Reject]):
    """The rows of a file after the first `start`; `place` is the last one given."""

    def __init__(self, file: Any, name: str, start: int) -> None:
        self._file, self._name, self.place = file, name, start
        self._rows = self._after(start)

    def __next__(self) -> Row | Reject:
        row = next(self._rows)
        self.place = row.place
        return row

    def _after(self, start: int) -> Iterator[Row | Reject]:
        before, group = 0, 0
        while group < self._file.num_row_groups and (n := self._file.metadata.row_group(group).num_rows) <= (
            start - before
        ):
            before, group = before + n, group + 1
        groups = list(range(group, self._file.num_row_groups))
        # No groups at all is an error in some versions: https://github.com/apache/arrow/issues/45343
        # One thread: each has an arena of its own for what it allocates, and keeps it.
        batches = self._file.iter_batches(batch_size=BATCH_ROWS, row_groups=groups, use_threads=False)
        for batch in batches if groups else ():
            rows = _batch_rows(batch, before, self._name)
            yield from itertools.islice(rows, max(0, start - before), None)
            before += batch.num_rows


def _batch_rows(batch: Any, before: int, name: str) -> Iterator[Row | Reject]:
    try:
        values = batch.to_pylist()
    except ValueError:  # UnicodeDecodeError too: Arrow does not check a file's strings
        yield from _rows_one_by_one(batch, before, name)
    else:
        yield from (Row(before + i + 1, row, (batch, i)) for i, row in enumerate(values))


def _rows_one_by_one(batch: Any, before: int, name: str) -> Iterator[Row | Reject]:
    for i in range(batch.num_rows):
        try:
            yield Row(before + i + 1, batch.slice(i, 1).to_pylist()[0], (batch, i))
        except ValueError:
            yield Reject(name, "row", before + i + 1, "a value cannot be read, or is not valid UTF-8")


def find_text(columns: Iterable[str], wanted: str | None) -> str | None:
    """Return the column that holds the posting: `wanted`, otherwise the first known name in any case; None if none."""
    columns = list(columns)
    if wanted is not None:
        return wanted if wanted in columns else None
    by_name = {column.casefold(): column for column in reversed(columns)}
    return next((by_name[name] for name in TEXT_COLUMNS if name in by_name), None)


class Postings(Iterable["tuple[Row, str] | Reject"]):
    """The rows of a table with their postings; `column` is the one that holds them, None until it is known.

    Raises
    ------
    InputError
        While going over it, if no column can hold the posting: at once, for JSONL when the last row has none either.
    """

    def __init__(self, table: Table, wanted: str | None, column: str | None, seen: Iterable[str]) -> None:
        self._table, self._wanted = table, wanted
        self.column = column
        self.seen = dict.fromkeys(seen)  # columns met while none could hold the posting

    def __iter__(self) -> Iterator[tuple[Row, str] | Reject]:
        table = self._table
        self.column = self.column or find_text(table.columns or (), self._wanted)
        if table.columns is not None and self.column is None:
            raise _no_text(table.columns, self._wanted, table.name)
        for row in table.rows:
            if isinstance(row, Reject):
                yield row
                continue
            if self.column is None:
                self._look_in(row)
            reason = _text_reason(row.values, self.column)
            yield table.reject(row.place, reason) if reason else (row, row.values[self.column or ""])
        if self.column is None and self.seen:
            raise _no_text(self.seen, self._wanted, table.name)

    def _look_in(self, row: Row) -> None:
        self.seen.update(dict.fromkeys(itertools.islice(row.values, MAX_NAMED - len(self.seen))))
        self.column = find_text(row.values, self._wanted)


def postings(table: Table, wanted: str | None = None, column: str | None = None, seen: Iterable[str] = ()) -> Postings:
    """Return what yields each row with its posting, or its reject, in order.

    `column` and `seen` are those of the same table, read up to where it starts now.
    """
    return Postings(table, wanted, column, seen)


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
    return HAS_NUL if any("\0" in v for v in values.values() if isinstance(v, str)) else None
