"""Results out: CSV, JSONL and Parquet, written whole or not at all."""

from __future__ import annotations

import base64
import codecs
import contextlib
import csv
import gzip
import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol, cast

from screening.errors import InputError
from screening.inputs import BATCH_ROWS, Row, Table, import_arrow
from screening.tables import OUR_COLUMNS

# A spreadsheet runs a cell that starts with one of these: https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_STARTS = tuple("=+-@\t\r\n")
_NUMBER = re.compile(r"[+-]?[0-9.,]+%?")  # "-5" is a number, and a quote before it would break the column


class Writer(Protocol):
    """Writes rows with OUR_COLUMNS added."""

    def begin(self, table: Table) -> None:
        """Take note of the next input; InputError if its columns do not fit those before or ours."""

    def write(self, row: Row, cells: Sequence[Any]) -> str | None:
        """Write one row, or return the reason why it does not fit."""

    def finish(self) -> None:
        """Write what is held back."""

    def close(self) -> None:
        """Let go of the stream, also after an error."""


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


@contextlib.contextmanager
def open_writer(target: str, kind: str, prefix: str = "", guard: bool = True) -> Iterator[Writer]:
    """Yield a writer of a format to a file, "-" for standard output; a name in .gz is packed.

    `guard` puts a single quote before text cells of a CSV file that a spreadsheet would run.
    """
    names = tuple(prefix + name for name in OUR_COLUMNS)
    with replacing(target) as stream, contextlib.ExitStack() as stack:
        if target.lower().endswith(".gz"):
            stream = stack.enter_context(cast(IO[bytes], gzip.GzipFile("", "wb", fileobj=stream, mtime=0)))
        writer = _WRITERS[kind](stream, names, guard)
        stack.callback(writer.close)
        yield writer
        writer.finish()


class _Writer:
    def __init__(self, stream: IO[bytes], names: tuple[str, ...], guard: bool) -> None:
        self._stream, self._names, self._guard = stream, names, guard
        self._columns: tuple[str, ...] | None = None

    def begin(self, table: Table) -> None:
        if table.columns is None:
            return
        self._check_names(table.columns, table.name)
        if self._columns is not None and self._columns != table.columns:
            raise InputError(
                f"{table.name} has other columns than the file before it; score it by itself or write JSONL"
            )
        self._columns = table.columns

    def close(self) -> None:
        pass

    def _check_names(self, columns: Iterable[str], name: str) -> None:
        if taken := sorted(set(self._names).intersection(columns)):
            raise InputError(
                f"{name} already has a column {taken[0]!r}, a name this command adds; give ours another: "
                "--prefix screening_"
            )

    def _misfit(self, row: Row) -> str | None:
        """Return why a row does not fit the columns, which those of the first row fix."""
        if self._columns is None:
            self._check_names(row.values, f"line {row.place}")
            self._columns = tuple(row.values)
        if not row.values.keys() <= set(self._columns):
            return "has fields that the first row lacks; --format jsonl keeps them"
        return None


class CsvWriter(_Writer):
    """CSV after RFC 4180, UTF-8; indicators are joined by semicolons."""

    def __init__(self, stream: IO[bytes], names: tuple[str, ...], guard: bool) -> None:
        super().__init__(stream, names, guard)
        self._rows: Any = None
        self._delimiter = ","

    def begin(self, table: Table) -> None:
        if self._columns is None:
            self._delimiter = table.delimiter
        super().begin(table)

    def write(self, row: Row, cells: Sequence[Any]) -> str | None:
        if reason := self._misfit(row):
            return reason
        self._start()
        *plain, indicators = cells
        mine = (self._cell(row.values.get(column)) for column in self._columns or ())
        self._rows.writerow([*mine, *plain, ";".join(indicators)])
        return None

    def finish(self) -> None:
        self._start()

    def _start(self) -> None:
        if self._rows is None:
            self._rows = csv.writer(codecs.getwriter("utf-8")(self._stream), delimiter=self._delimiter)
            self._rows.writerow([*map(self._cell, self._columns or ()), *self._names])

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

    def begin(self, table: Table) -> None:
        self._check_names(table.columns or (), table.name)

    def write(self, row: Row, cells: Sequence[Any]) -> str | None:
        if self._columns is None:
            self._misfit(row)
        if not row.values.keys().isdisjoint(self._names):
            return "has a field with a name of ours; add --prefix screening_"
        try:
            line = _dump({**row.values, **dict(zip(self._names, cells, strict=True))})
        except ValueError:
            return "a number is not finite"
        self._stream.write(line.encode() + b"\n")
        return None

    def finish(self) -> None:
        pass


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    """Return what stands in text for a value that JSON lacks: dates in ISO form, bytes in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


class ParquetWriter(_Writer):
    """Parquet. Columns keep their types; those of CSV are text, those of JSONL as in the first rows, else JSON text."""

    def __init__(self, stream: IO[bytes], names: tuple[str, ...], guard: bool) -> None:
        super().__init__(stream, names, guard)
        self._arrow, self._parquet = import_arrow()
        self._schema: Any = None
        self._held: list[tuple[Row, Sequence[Any]]] = []
        self._file: Any = None

    def begin(self, table: Table) -> None:
        if self._held:
            self._flush()
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
        if len(self._held) >= BATCH_ROWS:
            self._flush()
        return None

    def _misfit(self, row: Row) -> str | None:
        if reason := super()._misfit(row):
            return reason
        if all(_fits(value, str(self._schema.field(name).type)) for name, value in row.values.items()):
            return None
        return "a field has another type than in the first rows; --format jsonl keeps it"

    def finish(self) -> None:
        self._flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _flush(self) -> None:
        if not self._held and self._file is not None:
            return
        if self._schema is None:
            self._infer_schema()
        table = self._held_table()
        string = self._arrow.string()
        types = (self._arrow.float64(), string, string, self._arrow.list_(string))
        for i, (name, kind) in enumerate(zip(self._names, types, strict=True)):
            table = table.append_column(name, self._arrow.array([cells[i] for _, cells in self._held], kind))
        if self._file is None:
            self._file = self._parquet.ParquetWriter(self._stream, table.schema)
        self._file.write_table(table)
        self._held.clear()

    def _held_table(self) -> Any:
        records = [row.record for row, _ in self._held if row.record is not None]
        if records:
            return self._arrow.Table.from_batches(records).combine_chunks()
        texts = {field.name for field in self._schema if str(field.type) == "string"}
        rows = [
            {k: _dump(v) if k in texts and not isinstance(v, str | None) else v for k, v in row.values.items()}
            for row, _ in self._held
        ]
        return self._arrow.Table.from_pylist(rows, schema=self._schema)

    def _infer_schema(self) -> None:
        columns = dict.fromkeys(name for row, _ in self._held for name in row.values)
        self._check_names(columns, "the input")
        types = {name: _type_of(row.values.get(name) for row, _ in self._held) for name in columns}
        self._schema = self._arrow.schema([(n, self._arrow.type_for_alias(t)) for n, t in types.items()])
        self._columns = tuple(columns)


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


_WRITERS: dict[str, Callable[[IO[bytes], tuple[str, ...], bool], Writer]] = {
    "csv": CsvWriter,
    "jsonl": JsonlWriter,
    "parquet": ParquetWriter,
}
