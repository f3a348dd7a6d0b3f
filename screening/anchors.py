"""Where to look for a phrase: only at its rarest words, and only where the words it cannot do without stand near.

Every match of a phrase passes through one of its anchors: states, each entered by reading a word, that no way
through the phrase avoids. Which states are taken depends on rough rates of words in honest texts
(`data/rates.tsv`); what is found does not. Hyperscan looks for phrases by their rare parts likewise.

Sets of tokens' offsets from an anchor are written as bits: bit 0 is the anchor's token itself, bit 1 the next
one on the way, be it after the anchor or before it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from math import inf

RATES = "rates.tsv"
UNSEEN = 3e-5  # the rate of a word that is not listed: those seen less often than this are left out
ASKED = 4  # things that an anchor asks for, at most: the last of more tell next to nothing
WINDOW = 8  # neighbouring tokens, at one of which the word that is asked for must stand

Edge = tuple[int, int]  # (atom, state it leads to)
Ways = Sequence[Mapping[int, int]]  # of each state, those one word further: offsets (bits) at which they may stand


@dataclass(frozen=True, slots=True, order=True)
class Ask:
    """A match reads one of these atoms `first` tokens from the anchor, or further on where `bits` says so.

    Attributes
    ----------
    atoms
        Ascending.
    first
        The smallest of the offsets; negative before the anchor.
    bits
        Bit i, of WINDOW: it may stand at `first + i`.
    """

    atoms: tuple[int, ...]
    first: int
    bits: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """A state that matches pass through, and what else they read, what is met least by chance first."""

    state: int
    asked: tuple[Ask, ...]


@functools.cache
def _rates() -> dict[str, float]:
    lines = (resources.files("screening") / "data" / RATES).read_text("utf-8").splitlines()
    return {name: float(rate) for name, rate in (line.split("\t") for line in lines if not line.startswith("# "))}


def rates_of(names: Iterable[str]) -> list[float]:
    """Return roughly how often a token of honest texts satisfies each of some words and prefixes."""
    rates = _rates()
    return [rates.get(name, UNSEEN) for name in names]


def rate_of(atom: str) -> float:
    """Return the same for an atom: words and prefixes joined by `|`."""
    return sum(rates_of(atom.split("|")))


def anchors_of(edges: Sequence[Sequence[Edge]], accept: Sequence[bool], rates: Sequence[float]) -> list[Anchor]:
    """Return the anchors of one phrase.

    Parameters
    ----------
    edges
        What leads out of each state; always to a later one.
    accept
        Whether the phrase ends at a state.
    rates
        Of all atoms; infinite for one that is no word.
    """
    phrase = _Phrase(edges, accept, rates)
    return [Anchor(state, tuple(phrase.asked(state)[:ASKED])) for state in phrase.cut(0, phrase.ends)]


class _Phrase:
    """A phrase as a graph in which edges lead to later states."""

    def __init__(self, edges: Sequence[Sequence[Edge]], accept: Sequence[bool], rates: Sequence[float]) -> None:
        self.rates, self.accept = rates, accept
        self.ends = [state for state, end in enumerate(accept) if end]
        self.entered = {target: atom for out in edges for atom, target in out}
        self.targets = [[target for _, target in out] for out in edges]
        self.sources: list[list[int]] = [[] for _ in edges]
        for state, out in enumerate(self.targets):
            for target in out:
                self.sources[target].append(state)
        self.rate = [rates[self.entered[state]] if state in self.entered else inf for state in range(len(edges))]
        self._past_gaps()

    def _past_gaps(self) -> None:
        """Fill the ways on and back from word to word, however many tokens of a gap lie between."""
        self.on: list[dict[int, int]] = [{} for _ in self.targets]
        self.back: list[dict[int, int]] = [{} for _ in self.targets]
        for state in range(len(self.targets) - 1, -1, -1):
            for target in self.targets[state]:
                further = self.on[target] if self.rate[target] == inf else {target: 1}
                for word, offsets in further.items():
                    self.on[state][word] = self.on[state].get(word, 0) | offsets << 1
        self.begins = [state in self.on[0] for state in range(len(self.targets))]
        for state in range(1, len(self.targets)):
            for target, offsets in self.on[state].items() if self.rate[state] < inf else ():
                self.back[target][state] = offsets

    def asked(self, anchor: int) -> list[Ask]:
        """Return all that matches read around an anchor, as far as windows hold it."""
        after = self._asks(anchor, self.on, self.accept, self.cut(anchor, self._ends_after(anchor)), 1)
        before = self._asks(anchor, self.back, self.begins, self.cut(0, self.before(anchor)), -1)
        return sorted({*after, *before}, key=self._met_by_chance)

    def _ends_after(self, state: int) -> list[int]:
        return [] if self.accept[state] else self.ends

    def _met_by_chance(self, ask: Ask) -> tuple[float, Ask]:
        rate = sum(self.rates[atom] for atom in ask.atoms) * ask.bits.bit_count()
        return rate, ask

    def _asks(self, anchor: int, ways: Ways, last: Sequence[bool], cut: Sequence[int], way: int) -> Iterator[Ask]:
        """Yield what is asked for on one side: of the first word, the second, and so on, and of a cut."""
        levels = list(_levels(anchor, ways, last))
        if cut:
            reached = _reached(anchor, ways, way)
            levels.append({state: reached[state] for state in cut})
        for level in levels:
            atoms = tuple(sorted({self.entered[state] for state in level}))
            offsets = functools.reduce(int.__or__, level.values())
            nearest, furthest = (offsets & -offsets).bit_length() - 1, offsets.bit_length() - 1
            if furthest - nearest >= WINDOW:
                continue
            if way > 0:
                yield Ask(atoms, nearest, offsets >> nearest)
            else:
                yield Ask(atoms, -furthest, _reversed(offsets, furthest))

    def before(self, state: int) -> list[int]:
        """Return the states that a state is entered from; none where it may be the first, as nothing then is before."""
        return [] if 0 in self.sources[state] else self.sources[state]

    def cut(self, start: int, ends: Sequence[int]) -> list[int]:
        """Return states that every way from after `start` to one of `ends` enters; none where some way enters none.

        Of cuts by states up to some rate, that of the lowest such rate: the one nearer to the start or to the end.
        """
        if not ends:
            return []
        limit = self._widest(start, ends)
        if limit == inf:
            return []
        return min(self._first_met(start, ends, limit), self._last_met(start, ends, limit), key=self._total)

    def _total(self, states: Sequence[int]) -> float:
        return sum({self.entered[state]: self.rate[state] for state in states}.values())

    def _widest(self, start: int, ends: Sequence[int]) -> float:
        """Return the rate that the rarest word of the most frequent way has."""
        widest = [0.0] * len(self.targets)
        widest[start] = inf
        for state in range(start, max(ends) + 1):
            for target in self.targets[state]:
                widest[target] = max(widest[target], min(widest[state], self.rate[target]))
        return max(widest[end] for end in ends)

    def _first_met(self, start: int, ends: Sequence[int], limit: float) -> list[int]:
        """Return the states up to a rate that ways to the ends enter first."""
        useful, reached, met = self._leading_to(ends), {start}, []
        for state in range(start, max(ends) + 1):
            if state in reached and state != start and self.rate[state] <= limit:
                met.append(state)
            elif state in reached:
                reached.update(target for target in self.targets[state] if target in useful)
        return met

    def _last_met(self, start: int, ends: Sequence[int], limit: float) -> list[int]:
        """Return the states up to a rate that ways to the ends enter last."""
        reached = {start}
        for state in range(start, max(ends) + 1):
            if state in reached:
                reached.update(self.targets[state])
        going_on, met = set(ends), []
        for state in range(max(ends), start, -1):
            if state not in going_on or state not in reached:
                continue
            if self.rate[state] <= limit:
                met.append(state)
            else:
                going_on.update(self.sources[state])
        return met

    def _leading_to(self, ends: Sequence[int]) -> set[int]:
        useful = set(ends)
        for state in range(max(ends), -1, -1):
            if state in useful:
                useful.update(self.sources[state])
        return useful


def _levels(state: int, ways: Ways, last: Sequence[bool]) -> Iterator[dict[int, int]]:
    """Yield the states that are one word, two words, ... from a state, as long as no way is over before."""
    level = {state: 1}
    while not any(last[state] for state in level):
        further: dict[int, int] = {}
        for state, offsets in level.items():
            for target, distances in ways[state].items():
                further[target] = further.get(target, 0) | _sums(offsets, distances)
        yield further
        level = further


def _reached(start: int, ways: Ways, way: int) -> dict[int, int]:
    """Return the states that ways from a state meet, and where."""
    reached = {start: 1}
    for state in range(start, len(ways) if way > 0 else 0, way):
        for target, distances in ways[state].items() if state in reached else ():
            reached[target] = reached.get(target, 0) | _sums(reached[state], distances)
    return reached


def _sums(offsets: int, distances: int) -> int:
    return functools.reduce(int.__or__, (offsets << i for i in range(distances.bit_length()) if distances >> i & 1))


def _reversed(bits: int, highest: int) -> int:
    return sum(1 << highest - i for i in range(highest + 1) if bits >> i & 1)
