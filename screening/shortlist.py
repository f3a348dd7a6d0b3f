"""Which postings go on a page, highest first: one entry each, or one for all copies of a posting.

Only the scores of flagged postings are held; their texts wait in a folder, so that a campaign of a million
copies takes the place of one.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import json
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from screening.campaigns import ShingleFile, group, name_of, shingles_of
from screening.report import MAX_COPIES, Copy
from screening.scorers import Verdict

COLUMNS = {"number": "q", "logit": "d", "offset": "q", "hashes": "q"}  # of a flagged posting, by type code


class Entry(NamedTuple):
    """One entry of a page: a posting, the name of its campaign and its other copies ("", () where it stands alone)."""

    key: str
    text: str
    campaign: str = ""
    copies: tuple[Copy, ...] = ()


class Shortlist(Protocol):
    """Takes in postings and gives the entries of a page. A context: what it keeps on disk goes with it."""

    def add(self, verdict: Verdict, number: int, key: str, text: str) -> None:
        """Take in a posting; `number` is its place among all, `key` what it is called."""

    def entries(self) -> Iterator[Entry]:
        """Yield the entries, highest first."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Highest:
    """The highest postings by logit, and then by place; no more than `top` are held."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._held: list[tuple[float, int, str, str]] = []

    def add(self, verdict: Verdict, number: int, key: str, text: str) -> None:
        """Take in a posting."""
        heapq.heappush(self._held, (verdict.logit, -number, key, text))
        if len(self._held) > self._top:
            heapq.heappop(self._held)

    def entries(self) -> Iterator[Entry]:
        """Yield an entry for each posting held, highest first."""
        return (Entry(key, text) for _, _, key, text in sorted(self._held, reverse=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class HighestCampaigns:
    """The highest campaigns among flagged postings, and below them the highest of the rest: `top` entries in all.

    Campaigns are those of `screening.campaigns`. The highest posting of one stands for it; its other copies
    follow, highest first. Memory: 32 bytes a flagged posting, and what grouping takes.
    """

    def __init__(self, top: int) -> None:
        self._top, self._rest = top, Highest(top)
        self._folder = tempfile.TemporaryDirectory(prefix="screening-")
        self._paths = {role: Path(self._folder.name) / role for role in ("texts", "shingles")}
        self._files = {role: path.open("w+b") for role, path in self._paths.items()}
        self._columns = {name: array(kind) for name, kind in COLUMNS.items()}

    def add(self, verdict: Verdict, number: int, key: str, text: str) -> None:
        """Take in a posting."""
        if verdict.level == "low":
            self._rest.add(verdict, number, key, text)
            return
        shingles = shingles_of(text)
        row = (number, verdict.logit, self._files["texts"].tell(), len(shingles))
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)  # type: ignore[arg-type]
        self._files["texts"].write(json.dumps([key, verdict.level, verdict.probability, text]).encode() + b"\n")
        self._files["shingles"].write(shingles.astype("<u8").tobytes())

    def entries(self) -> Iterator[Entry]:
        """Yield the entries, highest first: any flagged posting stands above any that is not."""
        for file in self._files.values():
            file.flush()
        return itertools.islice(itertools.chain(self._campaigns(), self._rest.entries()), self._top)

    def _campaigns(self) -> Iterator[Entry]:
        numbers, logits, offsets, hashes = (np.array(column) for column in self._columns.values())
        with contextlib.closing(ShingleFile(self._paths["shingles"], hashes)) as sets:
            leaders = np.where(hashes > 0, group(sets), np.arange(len(sets)))  # without letters, nobody's copy
            for leader, members in _by_leader(leaders, np.lexsort((numbers, -logits))):
                first, *copies = self._copies(offsets[members].tolist())
                name = name_of(sets[leader]) if copies else ""
                yield Entry(first.key, first.text or "", name, tuple(copies))

    def _copies(self, offsets: list[int]) -> Iterator[Copy]:
        """Yield the postings written there, the text of the first and of MAX_COPIES more among them."""
        for place, offset in enumerate(offsets):
            self._files["texts"].seek(offset)
            copy = Copy(*json.loads(self._files["texts"].readline()))
            yield copy if place <= MAX_COPIES else replace(copy, text=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files.values():
            file.close()
        self._folder.cleanup()


def _by_leader(leaders: NDArray[np.int64], order: NDArray[np.int64]) -> Iterator[tuple[int, list[int]]]:
    """Yield each leader with the postings it leads, both in the order given."""
    groups: dict[int, list[int]] = {}
    for member, leader in zip(order.tolist(), leaders[order].tolist(), strict=True):
        groups.setdefault(leader, []).append(member)
    yield from groups.items()


def shortlist(top: int, campaigns: bool) -> Shortlist:
    """Return what chooses the `top` entries of a page; `campaigns` makes one entry of all copies of a posting."""
    return HighestCampaigns(top) if campaigns else Highest(top)
