"""Parquet: rows out of record batches, a few at a time however large the groups of a file are."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from typing import Any

from screening.arrow import import_arrow
from screening.rows import Opened, Position, Reject, Row, Table, guarded

BATCH_ROWS = 250  # rows of Parquet held at a time
READ_BYTES = 2**20  # of each column of Parquet read at a time, however large its groups of rows are


def read_parquet(opened: Opened, start: Position) -> Table:
    """Return the table of a Parquet file, from a position on; MissingExtraError without pyarrow."""
    parquet = import_arrow("pyarrow.parquet")
    stream = opened.seekable()
    size = stream.seek(0, io.SEEK_END)
    # Read ahead, the default, is never let go of before the last row: a file of 540 MB took 690 (pyarrow 26).
    file = opened.stack.enter_context(parquet.ParquetFile(stream, pre_buffer=False, buffer_size=READ_BYTES))
    rows = _ParquetRows(file, opened.name, start.place)
    # The file is not read from front to end, so the bytes read are told by the share of rows.
    return Table(
        opened.name,
        guarded(rows, opened.name),
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
