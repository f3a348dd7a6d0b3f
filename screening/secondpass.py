"""The second pass: what is known only after the last row, which rows stay, their order, and their campaigns.

The first pass leaves the rows as they were written, and small records beside them. Only what is chosen
or flagged takes memory: 80 bytes a row of `--top`, and what `Campaigns` says of a flagged posting.
"""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from screening.arrow import array_of, import_arrow
from screening.campaigns import Campaigns
from screening.outputs import GROUP_ROWS, CsvWriter, JsonlWriter, arrow_tables, parquet_from
from screening.workspace import PackedSink, Sink

# A row written by the first pass: its number among all rows, its score, and its bytes (0 in Arrow tables).
KEPT = np.dtype([("number", "<i8"), ("logit", "<f8"), ("size", "<i8")])
# A flagged posting: its number, and how many of the hashes in the file of shingles are its.
FLAGGED = np.dtype([("number", "<i8"), ("count", "<i8")])
RECORDS = 50_000  # read at once
_RANK = " rank"  # a column for a moment, always the last: names need not be unique in Arrow

Records = NDArray[np.void]


class Best:
    """The highest-scoring rows met so far, by logit and then by position; no more than `top` are held."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._held: list[tuple[float, int]] = []

    def admits(self, logit: float, number: int) -> bool:
        """Return whether a row is among the highest met so far."""
        return len(self._held) < self._top or (logit, -number) > self._held[0]

    def add(self, logit: float, number: int) -> None:
        """Take in a row that is."""
        heapq.heappush(self._held, (logit, -number))
        if len(self._held) > self._top:
            heapq.heappop(self._held)

    def ranks(self) -> dict[int, int]:
        """Return the rank, from 0, of each row held, by its number."""
        return {-negative: rank for rank, (_, negative) in enumerate(sorted(self._held, reverse=True))}


def records_in(path: Path, dtype: np.dtype[Any], size: int) -> Iterator[Records]:
    """Yield the records in the first `size` bytes of a file, RECORDS at a time."""
    with path.open("rb") as stream:
        for left in range(size // dtype.itemsize, 0, -RECORDS):
            yield np.fromfile(stream, dtype, min(left, RECORDS))


@dataclass(frozen=True)
class Staged:
    """What the first pass left: the rows, and the KEPT records beside them (None where no row is told apart)."""

    rows: Path
    size: int
    kept: Path | None
    kept_size: int


@dataclass(frozen=True)
class Choice:
    """What becomes of the rows: `ranks` chooses and orders them (None: all, as they come); `names` are the columns
    that hold their `campaigns`, none without."""

    ranks: Mapping[int, int] | None = None
    names: Sequence[str] = ()
    campaigns: Campaigns | None = None

    def extra(self, number: int) -> dict[str, Any]:
        """Return the cells to add to a row."""
        return {} if self.campaigns is None else dict(zip(self.names, self.campaigns.cells(number), strict=True))


def finish_text(staged: Staged, choice: Choice, writer: CsvWriter | JsonlWriter, sink: Sink, packing: str) -> None:
    """Write the chosen rows of CSV or JSONL, packed."""
    with PackedSink(sink, packing) as packed:
        packed.write(writer.header(choice.names))
        for number, row in _rows(staged, choice.ranks):
            packed.write(writer.extended(row, choice.extra(number)) if choice.names else row)


def _rows(staged: Staged, ranks: Mapping[int, int] | None) -> Iterator[tuple[int, bytes]]:
    places: Iterable[tuple[int, int, int]] = _places(staged)
    if ranks is not None:
        places = sorted((place for place in places if place[0] in ranks), key=lambda place: ranks[place[0]])
    with staged.rows.open("rb") as stream:
        for number, offset, size in places:
            stream.seek(offset)
            yield number, stream.read(size)


def _places(staged: Staged) -> Iterator[tuple[int, int, int]]:
    """Yield the number, offset and size of each row."""
    offset = 0
    for records in records_in(staged.kept, KEPT, staged.kept_size) if staged.kept else ():
        ends = offset + np.cumsum(records["size"])
        offset = int(ends[-1])
        yield from zip(
            records["number"].tolist(), (ends - records["size"]).tolist(), records["size"].tolist(), strict=True
        )


def finish_parquet(staged: Staged, choice: Choice, sink: Sink, packing: str) -> None:
    """Write the chosen rows as a Parquet file, packed."""
    tables = _tables(staged, choice)
    with PackedSink(sink, packing) as packed:
        parquet_from(tables if choice.ranks is None else _ranked(tables), cast(IO[bytes], packed))


def _tables(staged: Staged, choice: Choice) -> Iterator[Any]:
    """Yield the tables of the first pass, without what was not chosen, and with campaigns."""
    with contextlib.ExitStack() as stack:
        rows = stack.enter_context(staged.rows.open("rb"))
        kept = stack.enter_context(staged.kept.open("rb")) if staged.kept else None
        for table in arrow_tables(rows, staged.size):
            if kept is None:
                yield table
                continue
            numbers = np.fromfile(kept, KEPT, table.num_rows)["number"].tolist()
            yield _chosen(table, numbers, choice)


def _chosen(table: Any, numbers: list[int], choice: Choice) -> Any:
    extra = [choice.extra(number) for number in numbers]
    for name, kind in zip(choice.names, ("string", "int64"), strict=False):
        table = table.append_column(name, array_of([cells[name] for cells in extra], kind))
    if choice.ranks is None:
        return table
    ranks = [choice.ranks.get(number) for number in numbers]
    chosen = [place for place, rank in enumerate(ranks) if rank is not None]
    return table.append_column(_RANK, array_of(ranks, "int64")).take(array_of(chosen, "int64"))


def _ranked(tables: Iterable[Any]) -> Iterator[Any]:
    arrow = import_arrow()
    table = arrow.concat_tables(list(tables)).unify_dictionaries()
    order = np.argsort(table.column(table.num_columns - 1).to_numpy())
    table = table.take(array_of(order.tolist(), "int64")).remove_column(table.num_columns - 1)
    yield from (table.slice(start, GROUP_ROWS) for start in range(0, max(1, len(order)), GROUP_ROWS))
