"""Results out: rows as CSV, JSONL and Parquet, with columns of ours added.

A writer turns rows into bytes and puts them nowhere. Those of CSV and JSONL are the file; Parquet has
its directory at the end and cannot be gone on with once closed, so its rows are first kept as Arrow
IPC streams, one after another, and `parquet_from` makes the file of them.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, cast

from screening.arrow import array_of, import_arrow
from screening.errors import InputError
from screening.rows import Row, Table
from screening.tables import OUR_COLUMNS

# A spreadsheet runs a cell that starts with one of these: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_STARTS = tuple("=+-@\t\r\n")
_NUMBER = re.compile(r"[+-]?[0-9.,]+%?")  # "-5" is a number, and a quote before it would break the column


GROUP_ROWS = 3_000  # rows of one group in a Parquet file: some 6 MB of postings, what is held in memory at once
GROUP_BYTES = 6 * 2**20


class Chunk(NamedTuple):
    """Whole rows as bytes, and how many bytes each takes (0 where rows cannot be told apart)."""

    data: bytes
    sizes: Sequence[int]


class Writer(Protocol):
    """Turns rows, with OUR_COLUMNS added, into bytes."""

    def begin(self, table: Table) -> None:
        """Take note of the next input; InputError if its columns do not fit those before or ours."""

    def write(self, row: Row, cells: Sequence[Any]) -> str | None:
        """Take one row, or return the reason why it does not fit."""

    def flush(self) -> Chunk:
        """Return the rows taken since the last time."""

    def header(self, extra: Sequence[str] = ()) -> bytes:
        """Return what stands before the first row, with columns `extra` after ours."""

    def state(self) -> dict[str, Any]:
        """Return, as plain JSON types, what a writer that goes on after the last flush has to know."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a writer of that state stood."""


def make_writer(kind: str, prefix: str = "", guard: bool = True, extra: Sequence[str] = ()) -> Writer:
    """Return a writer of "csv", "jsonl" or "parquet".

    `prefix` stands before the names of our columns. `guard` puts a single quote before text cells
    of a CSV file that a spreadsheet would run. `extra` names columns that are to be added later.
    """
    return _WRITERS[kind](tuple(prefix + name for name in OUR_COLUMNS), guard, tuple(extra))


@contextlib.contextmanager
def replacing(target: str) -> Iterator[IO[bytes]]:
    """Yield a stream whose bytes stand at `target` once the block ends well, and never half of them; "-" is stdout."""
    if target == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(os.path.realpath(target))
    if path.exists() and not path.is_file():  # a pipe or /dev/null: nothing to replace
        with path.open("wb") as stream:
            yield stream
        return
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class _Writer:
    def __init__(self, names: tuple[str, ...], guard: bool, extra: tuple[str, ...] = ()) -> None:
        self._names, self._guard, self._reserved = names, guard, (*names, *extra)
        self._columns: tuple[str, ...] | None = None
        self._known: frozenset[str] = frozenset()

    def _fix(self, columns: tuple[str, ...] | None) -> None:
        self._columns, self._known = columns, frozenset(columns or ())

    def begin(self, table: Table) -> None:
        if table.columns is None:
            return
        self._check_names(table.columns, table.name)
        if self._columns is not None and self._columns != table.columns:
            raise InputError(
                f"{table.name} has other columns than the file before it; score it by itself or write JSONL"
            )
        self._fix(table.columns)

    def header(self, extra: Sequence[str] = ()) -> bytes:
        return b""

    def state(self) -> dict[str, Any]:
        return {"columns": self._columns}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._fix(None if state["columns"] is None else tuple(state["columns"]))

    def _check_names(self, columns: Iterable[str], name: str) -> None:
        if taken := sorted(set(self._reserved).intersection(columns)):
            raise InputError(
                f"{name} already has a column {taken[0]!r}, a name this command adds; give ours another: "
                "--prefix screening_"
            )

    def _misfit(self, row: Row) -> str | None:
        """Return why a row does not fit the columns, which those of the first row fix."""
        if self._columns is None:
            self._check_names(row.values, f"line {row.place}")
            self._fix(tuple(row.values))
        if not row.values.keys() <= self._known:
            return "has fields that the first row lacks; --format jsonl keeps them"
        return None


class _Lines(list[bytes]):
    """Rows of text, encoded."""

    def flush(self) -> Chunk:
        chunk = Chunk(b"".join(self), list(map(len, self)))
        self.clear()
        return chunk


def csv_line(cells: Iterable[str], delimiter: str) -> str:
    """Return what csv.writer would write of two cells or more, in a tenth of the time: it copies by the character.

    >>> csv_line(["a", "b;c", 'no "d" here'], ";")
    'a;"b;c";"no ""d"" here"\\r\\n'
    """
    quoted = (
        '"' + cell.replace('"', '""') + '"'
        if delimiter in cell or '"' in cell or "\n" in cell or "\r" in cell
        else cell
        for cell in cells
    )
    return delimiter.join(quoted) + "\r\n"


class CsvWriter(_Writer):
    """CSV after RFC 4180, UTF-8; indicators are joined by semicolons."""

    def __init__(self, names: tuple[str, ...], guard: bool, extra: tuple[str, ...] = ()) -> None:
        super().__init__(names, guard, extra)
        self._lines, self._delimiter = _Lines(), ","

    def begin(self, table: Table) -> None:
        if self._columns is None:
            self._delimiter = table.delimiter
        super().begin(table)

    def write(self, row: Row, cells: Sequence[Any]) -> str | None:
        if reason := self._misfit(row):
            return reason
        probability, level, language, indicators = cells
        mine = [self._cell(row.values.get(column)) for column in self._columns or ()]
        line = csv_line([*mine, repr(probability), level, language, ";".join(indicators)], self._delimiter)
        self._lines.append(line.encode())
        return None

    def flush(self) -> Chunk:
        return self._lines.flush()

    def header(self, extra: Sequence[str] = ()) -> bytes:
        names = [*map(self._cell, self._columns or ()), *self._names, *extra]
        return csv_line(names, self._delimiter).encode()

    def extended(self, row: bytes, extra: Mapping[str, Any]) -> bytes:
        """Return a flushed row with more cells at its end."""
        cells = "".join(self._delimiter + ("" if value is None else str(value)) for value in extra.values())
        return row.removesuffix(b"\r\n") + cells.encode() + b"\r\n"

    def state(self) -> dict[str, Any]:
        return {**super().state(), "delimiter": self._delimiter}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self._delimiter = state["delimiter"]

    def _cell(self, value: Any) -> str:
        if isinstance(value, str):
            return guarded(value) if self._guard else value
        if value is None:
            return ""
        return _dump(value) if isinstance(value, bool | list | dict) else str(_plain(value))


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet will run as a formula; numbers stay as they are.

    >>> guarded("=1+1"), guarded("-5"), guarded("@here"), guarded("text")
    ("'=1+1", '-5', "'@here", 'text')
    """
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(cell) else cell


class JsonlWriter(_Writer):
    """One JSON object a line; each row keeps its own fields."""

    def __init__(self, names: tuple[str, ...], guard: bool, extra: tuple[str, ...] = ()) -> None:
        super().__init__(names, guard, extra)
        self._lines = _Lines()

    def begin(self, table: Table) -> None:
        self._check_names(table.columns or (), table.name)

    def write(self, row: Row, cells: Sequence[Any]) -> str | None:
        if self._columns is None:
            self._misfit(row)
        if not row.values.keys().isdisjoint(self._reserved):
            return "has a field with a name of ours; add --prefix screening_"
        try:
            line = _dump({**row.values, **dict(zip(self._names, cells, strict=True))}) + "\n"
        except ValueError:
            return "a number is not finite"
        self._lines.append(line.encode())
        return None

    def flush(self) -> Chunk:
        return self._lines.flush()

    def extended(self, row: bytes, extra: Mapping[str, Any]) -> bytes:
        """Return a flushed row with more fields at its end."""
        return row.removesuffix(b"}\n") + b", " + _dump(extra)[1:].encode() + b"\n"


def _dump(value: Any) -> str:
    return _JSON.encode(value)


def _plain(value: Any) -> Any:
    """Return what stands in text for a value that JSON lacks: dates in ISO form, bytes in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)


class ArrowWriter(_Writer):
    """Arrow IPC streams, one a flush.

    Columns keep their types; those of CSV are text, those of JSONL as in the first rows, else JSON text.
    """

    def __init__(self, names: tuple[str, ...], guard: bool, extra: tuple[str, ...] = ()) -> None:
        super().__init__(names, guard, extra)
        self._arrow = import_arrow()
        self._schema: Any = None
        self._held: list[tuple[Row, Sequence[Any]]] = []

    def begin(self, table: Table) -> None:
        super().begin(table)
        if table.columns is None:
            return
        schema = table.schema
        if schema is None:
            schema = self._arrow.schema([(name, self._arrow.string()) for name in table.columns])
        if self._schema is not None and not self._schema.equals(schema):
            raise InputError(f"{table.name} has other types than the file before it; score it by itself or write JSONL")
        self._schema = schema

    def write(self, row: Row, cells: Sequence[Any]) -> str | None:
        if self._schema is not None and row.record is None and (reason := self._misfit(row)):
            return reason
        self._held.append((row, cells))
        return None

    def _misfit(self, row: Row) -> str | None:
        if reason := super()._misfit(row):
            return reason
        if all(_fits(value, str(self._schema.field(name).type)) for name, value in row.values.items()):
            return None
        return "a field has another type than in the first rows; --format jsonl keeps it"

    def flush(self) -> Chunk:
        if not self._held:
            return Chunk(b"", ())
        if self._schema is None:
            self._infer_schema()
        stream, sizes = self._arrow.BufferOutputStream(), (0,) * len(self._held)
        table = self._with_ours(self._held_table(), [cells for _, cells in self._held])
        with self._arrow.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
        self._held.clear()
        return Chunk(stream.getvalue().to_pybytes(), sizes)

    def header(self, extra: Sequence[str] = ()) -> bytes:
        """Return a stream without rows: Parquet names its columns even when it holds nothing."""
        if self._schema is None:
            self._infer_schema()
        stream = self._arrow.BufferOutputStream()
        self._arrow.ipc.new_stream(stream, self._with_ours(self._schema.empty_table(), []).schema).close()
        return cast(bytes, stream.getvalue().to_pybytes())

    def state(self) -> dict[str, Any]:
        schema = None if self._schema is None else base64.b64encode(self._schema.serialize().to_pybytes()).decode()
        return {**super().state(), "schema": schema}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        if state["schema"] is not None:
            message = self._arrow.py_buffer(base64.b64decode(state["schema"]))
            self._schema = self._arrow.ipc.read_schema(message)

    def _with_ours(self, table: Any, cells: Sequence[Sequence[Any]]) -> Any:
        for i, (name, kind) in enumerate(zip(self._names, ("double", "string", "string", "list"), strict=True)):
            table = table.append_column(name, array_of([row[i] for row in cells], kind))
        return table

    def _held_table(self) -> Any:
        if self._held[0][0].record is not None:
            parts = [batch.take(array_of(places, "int64")) for batch, places in self._places()]
            return self._arrow.Table.from_batches(parts).unify_dictionaries().combine_chunks()
        columns = [self._column(field.name, str(field.type)) for field in self._schema]
        return self._arrow.Table.from_arrays(columns, schema=self._schema)

    def _column(self, name: str, kind: str) -> Any:
        values = [row.values.get(name) for row, _ in self._held]
        if kind == "string":
            values = [value if isinstance(value, str | None) else _dump(value) for value in values]
        return array_of(values, kind)

    def _places(self) -> Iterator[tuple[Any, list[int]]]:
        """Yield each batch that held rows come from, and their places in it."""
        records = [row.record for row, _ in self._held if row.record is not None]
        for _, group in itertools.groupby(records, key=lambda record: id(record[0])):
            held = list(group)
            yield held[0][0], [place for _, place in held]

    def _infer_schema(self) -> None:
        columns = dict.fromkeys(name for row, _ in self._held for name in row.values)
        self._check_names(columns, "the input")
        types = {name: _type_of(row.values.get(name) for row, _ in self._held) for name in columns}
        self._schema = self._arrow.schema([(n, self._arrow.type_for_alias(t)) for n, t in types.items()])
        self._fix(tuple(columns))


def _type_of(values: Iterable[Any]) -> str:
    held = [value for value in values if value is not None]
    return next((kind for kind in ("bool", "int64", "double") if held and all(_fits(v, kind) for v in held)), "string")


def _fits(value: Any, kind: str) -> bool:
    if value is None or kind == "string":
        return True
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)
    if isinstance(value, int):
        return abs(value) <= 2**53 if kind == "double" else -(2**63) <= value < 2**63
    return kind == "double" and isinstance(value, float)


def arrow_tables(part: IO[bytes], size: int) -> Iterator[Any]:
    """Yield the table of each IPC stream in the first `size` bytes of a file."""
    arrow = import_arrow()
    while part.tell() < size:
        with arrow.ipc.open_stream(part) as reader:
            yield reader.read_all()


def parquet_from(tables: Iterable[Any], target: IO[bytes]) -> None:
    """Write tables of one schema as a Parquet file, in groups of about GROUP_ROWS rows or GROUP_BYTES."""
    arrow, parquet = import_arrow(), import_arrow("pyarrow.parquet")
    writer = None
    for group in _groups(tables):
        table = arrow.concat_tables(group).unify_dictionaries()
        writer = writer or parquet.ParquetWriter(target, table.schema)
        writer.write_table(table, row_group_size=GROUP_ROWS)
        group.clear()
        del table  # or it would stay until the next group is there as well
    if writer is not None:
        writer.close()


def _groups(tables: Iterable[Any]) -> Iterator[list[Any]]:
    held: list[Any] = []
    for table in tables:
        held.append(table)
        if sum(t.num_rows for t in held) >= GROUP_ROWS or sum(t.nbytes for t in held) >= GROUP_BYTES:
            yield held
            held = []
    if held:
        yield held


_WRITERS: dict[str, Callable[[tuple[str, ...], bool, tuple[str, ...]], Writer]] = {
    "csv": CsvWriter,
    "jsonl": JsonlWriter,
    "parquet": ArrowWriter,
}
