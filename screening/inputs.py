"""Postings in: CSV, JSONL and Parquet as streams of rows, in constant memory.

A row that cannot be read becomes a `Reject`; only a file that cannot be read as asked is an error.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from screening.errors import InputError
from screening.lines import HAS_NUL, read_csv, read_jsonl
from screening.packing import packing_of
from screening.parquet import read_parquet
from screening.rows import Opened, Position, Reject, Row, Table, as_input_error

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
    read = {"csv": read_csv, "jsonl": read_jsonl, "parquet": read_parquet}[format_of(source, fallback)]
    with contextlib.ExitStack() as stack:
        with as_input_error(name):
            raw = sys.stdin.buffer if source == "-" else stack.enter_context(open(source, "rb"))
            table = read(Opened(name, raw, packing_of(source), stack), start or Position())
        yield table


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
