"""Near-duplicates: which flagged postings are copies of one another, so that a campaign is reviewed once.

A posting becomes the set of its shingles: every run of SHINGLE letters of the folded text, with links,
digits, spaces and signs left out and drawn-out letters cut to one. So neither a new phone number or price
nor spaces, dots, emoji or look-alikes between letters make a copy look new.

Two postings are copies if their sets' Jaccard similarity is at least SIMILAR. MinHash with bands
(Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, 3.4) only proposes pairs; each is
checked on the whole sets. A campaign is led by its first posting, and *every* copy is checked against
that one: resemblance is not passed along a chain, which would join two different ads over a third.

Why no library: datasketch (needs SciPy) and rensa (compiled; both MIT) propose pairs from an index held in
memory, a Python or Rust object a posting. They check no pair on the whole sets and know no leader, so all
of this module but `_band_keys` would stay; and the base install stays NumPy alone.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from screening.fold import fold_text

SHINGLE = 10  # letters: about two words, so that a changed word costs what it does in word pairs and triples
SIMILAR = 0.6  # Jaccard; ads of one sector that share its set phrases stay under 0.25 (tests/test_campaigns.py)
MIN_SHINGLES = 24  # a shorter text is a copy only of itself: too little is left to tell a copy by
MAX_LETTERS = 8_000  # of a posting that are compared; no posting is longer, and a book would cost its length
BANDS, ROWS = 16, 4  # a pair of similarity s is proposed with chance 1-(1-s^4)^16: 0.89 at 0.6, 0.999 at 0.8
MAX_LEADERS = 64  # campaigns told apart within one chain; past that each posting of it stands alone
BLOCK = 2**19  # hashes worked on at once, 4 MB
HELD = 500  # sets kept in memory while pairs are checked: 64 KB each at most, 8 as a rule

Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]

_LINK = re.compile(r"(?:https?://|www\.)\S+|\b[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|me|ly|link|info|app)\b\S*")
_OTHER = re.compile(r"[\W\d_]+")
_DRAWN_OUT = re.compile(r"(.)\1+")
_BASE = np.uint64(0x100000001B3)  # of the polynomial that hashes a run of letters


def letters_of(text: str) -> str:
    """Return what of a text is compared: its letters, folded, without links, digits, spaces, signs and repeats.

    >>> letters_of("T r a b a j o en Lima, S/ 1500!!! www.example.com/x") == letters_of("trabajooo en LIMA: S/ 900")
    True
    """
    folded = fold_text(text[: 4 * MAX_LETTERS])
    return _DRAWN_OUT.sub(r"\1", _OTHER.sub("", _LINK.sub(" ", folded)))[:MAX_LETTERS]


def shingles_of(text: str) -> Hashes:
    """Return the 64-bit hashes of the shingles of a text: uint64, sorted, unique; empty for a text of few letters."""
    codes = np.frombuffer(letters_of(text).encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    if len(codes) < SHINGLE:
        return np.empty(0, np.uint64)
    letters, hashes = _mixed(codes), np.zeros(len(codes) - SHINGLE + 1, np.uint64)
    for i in range(SHINGLE):  # wraps around, as it should
        hashes = hashes * _BASE + letters[i : i + len(hashes)]
    return np.unique(_mixed(hashes))


def _mixed(values: Hashes) -> Hashes:
    """Return the finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of it depends on every bit given."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def similarity(a: Hashes, b: Hashes) -> float:
    """Return the Jaccard similarity of two sets, 0 if both are empty."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / (len(a) + len(b) - both) if both else 0.0


# One function a minimum: hash * factor + term. Factors are odd, so that no two hashes become one.
_FUNCTIONS = _mixed(np.arange(1, 2 * BANDS * ROWS + 1, dtype=np.uint64)).reshape(2, -1) | np.uint64(1)


class ShingleFile:
    """Sets of shingles in a file, one after another; only how many hashes each has is in memory."""

    def __init__(self, path: Path, counts: Ints) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.counts = counts
        self._ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        self._held: OrderedDict[int, Hashes] = OrderedDict()

    def __len__(self) -> int:
        return len(self.counts)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield ranges of sets that together have about BLOCK hashes, in order."""
        start = 0
        while start < len(self):
            end = int(np.searchsorted(self._ends, self._ends[start] + BLOCK, side="right")) - 1
            yield start, (start := max(start + 1, end))

    def between(self, start: int, end: int) -> tuple[Hashes, Ints]:
        """Return the sets `start` to `end`, joined, and how many hashes each has."""
        at, after = int(self._ends[start]), int(self._ends[end])
        os.lseek(self._descriptor, 8 * at, os.SEEK_SET)
        data = os.read(self._descriptor, 8 * (after - at))
        return np.frombuffer(data, dtype="<u8"), self.counts[start:end]

    def __getitem__(self, i: int) -> Hashes:
        if i not in self._held:
            self._held[i] = self.between(i, i + 1)[0]
            if len(self._held) > HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(i)
        return self._held[i]


class Campaigns:
    """The campaign of each flagged posting, by the posting's number.

    Memory: about 175 bytes a posting while they are grouped, 32 after.
    """

    def __init__(self, numbers: Ints, sets: ShingleFile) -> None:
        """Group the postings; `numbers` are theirs in the order of `sets`, rising."""
        self._numbers, self._sets = numbers, sets
        self._leader = group(sets)
        self._copies = np.bincount(self._leader, minlength=len(numbers))

    def __len__(self) -> int:
        return int(np.count_nonzero(self._copies[self._named()]))

    def _named(self) -> NDArray[np.bool_]:
        return self._sets.counts > 0

    def cells(self, number: int) -> tuple[str | None, int | None]:
        """Return the name of a posting's campaign and its count of postings; None, None if it was not grouped."""
        i = int(np.searchsorted(self._numbers, number))
        if i == len(self._numbers) or self._numbers[i] != number or not self._sets.counts[i]:
            return None, None
        leader = int(self._leader[i])
        return name_of(self._sets[leader]), int(self._copies[leader])


def name_of(shingles: Hashes) -> str:
    """Return the name of the campaign that a posting of these shingles leads: the same in every run."""
    return hashlib.blake2b(shingles.astype("<u8").tobytes(), digest_size=6).hexdigest()


def group(sets: ShingleFile) -> Ints:
    """Return, for each set, the index of the first posting of its campaign."""
    first = _first_same(sets)
    distinct = np.flatnonzero(first == np.arange(len(first)))
    parent = _joined(sets, distinct)
    leader = _led(sets, parent)
    return leader[first]


def _first_same(sets: ShingleFile) -> Ints:
    """Return, for each set, the index of the first one equal to it."""
    digests = np.empty(len(sets), np.uint64)
    for start, end in sets.blocks():
        hashes, counts = sets.between(start, end)
        pieces = np.split(hashes, np.cumsum(counts)[:-1])
        digests[start:end] = [int.from_bytes(hashlib.blake2b(p.tobytes(), digest_size=8).digest()) for p in pieces]
    _, first, place = np.unique(digests, return_index=True, return_inverse=True)
    return first[place].astype(np.int64)


def _keys(sets: ShingleFile, wanted: Ints) -> NDArray[np.uint32]:
    """Return uint32 of shape (wanted, BANDS): equal where all minima of a band are."""
    keys = np.empty((len(sets), BANDS), np.uint32)
    for start, end in sets.blocks():
        hashes, counts = sets.between(start, end)
        full = np.flatnonzero(counts)
        starts = (np.cumsum(counts) - counts)[full]
        keys[start + full] = _band_keys(hashes, starts) if len(full) else 0
    return keys[wanted]


def _band_keys(hashes: Hashes, starts: Ints) -> NDArray[np.uint32]:
    keys = np.empty((len(starts), BANDS), np.uint32)
    for band in range(BANDS):
        key = np.zeros(len(starts), np.uint64)
        for row in range(ROWS):
            factor, term = _FUNCTIONS[:, band * ROWS + row]
            key = _mixed(key ^ np.minimum.reduceat(hashes * factor + term, starts))
        keys[:, band] = key >> np.uint64(32)
    return keys


def _joined(sets: ShingleFile, distinct: Ints) -> Ints:
    """Return, for each set, one that a chain of checked pairs leads to: the first of the chain."""
    parent = np.arange(len(sets))
    wanted = distinct[sets.counts[distinct] >= MIN_SHINGLES]
    keys = _keys(sets, wanted)
    for band in range(BANDS):
        for i, j in _pairs(keys[:, band]):
            a, b = _root(parent, int(wanted[i])), _root(parent, int(wanted[j]))
            if a != b and similarity(sets[int(wanted[i])], sets[int(wanted[j])]) >= SIMILAR:
                parent[max(a, b)] = min(a, b)
    return np.array([_root(parent, i) for i in range(len(parent))], np.int64)


def _pairs(keys: NDArray[np.uint32]) -> Iterator[tuple[int, int]]:
    """Yield, for each posting whose key an earlier one has, that posting with the first such and with the last.

    So the pairs grow with the postings, not with their square, however many share a key.
    """
    order = np.argsort(keys, kind="stable")
    again = np.flatnonzero(keys[order][1:] == keys[order][:-1]) + 1
    starts = np.arange(len(order))
    starts[again] = 0
    starts = np.maximum.accumulate(starts)
    for at in again.tolist():
        yield int(order[starts[at]]), int(order[at])
        if starts[at] != at - 1:
            yield int(order[at - 1]), int(order[at])


def _root(parent: Ints, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = int(parent[i])
    return i


def _led(sets: ShingleFile, parent: Ints) -> Ints:
    """Return, for each set, the first of its chain that it is itself a copy of."""
    leaders: dict[int, list[int]] = {}
    led = np.arange(len(parent))
    for i in np.flatnonzero(np.bincount(parent, minlength=len(parent))[parent] > 1).tolist():
        others = leaders.setdefault(int(parent[i]), [])
        led[i] = next((other for other in others if similarity(sets[other], sets[i]) >= SIMILAR), i)
        if led[i] == i and len(others) < MAX_LEADERS:
            others.append(i)
    return led
