"""Rows as they are read, whatever file they come from: what every reader gives, and the opened file it reads."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

from screening.errors import InputError
from screening.packing import damage, unpacked


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


@dataclass(frozen=True)
class Opened:
    """A file as stored, and how to read it; what `stack` holds is closed with the table."""

    name: str
    raw: IO[bytes]
    packing: str
    stack: contextlib.ExitStack

    def unpacked(self) -> IO[bytes]:
        """Return the file, unpacked on the way."""
        return self.stack.enter_context(unpacked(self.raw, self.packing)) if self.packing else self.raw

    def seekable(self) -> IO[bytes]:
        """Return the file, or a copy on disk to seek in: Parquet is read from its end."""
        if not self.packing and self.raw.seekable() and self.raw is not sys.stdin.buffer:
            return self.raw
        spool: IO[bytes] = self.stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 -- the stack closes it
        shutil.copyfileobj(self.unpacked(), spool)
        return spool

    def consumed(self, tell: Callable[[], Position]) -> Callable[[], int]:
        """Return what gives the bytes read so far, as stored; `tell` is the table's."""
        return (lambda: tell().offset) if self.raw is sys.stdin.buffer else self.raw.tell


@contextlib.contextmanager
def as_input_error(name: str) -> Iterator[None]:
    """Turn what reading a missing or damaged file raises into an InputError."""
    try:
        yield
    except damage() as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {name}: {why}") from error


def guarded(rows: Iterator[Row | Reject], name: str) -> Iterator[Row | Reject]:
    """Yield the rows; damage met while reading them is an InputError."""
    with as_input_error(name):
        yield from rows
