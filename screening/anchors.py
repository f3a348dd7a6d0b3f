"""Where to look for a phrase: only at its rarest words, and only where the words it cannot do without stand too.

Every match of a phrase passes through one of its anchors: states, each entered by reading a word, that no way
through the phrase avoids. Which states are taken depends on rough rates of words in honest texts
(`data/rates.tsv`); what is found does not. Hyperscan looks for phrases by their rare parts likewise.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from math import inf

RATES = "rates.tsv"
UNSEEN = 3e-5  # the rate of a word that is not listed: those seen less often than this are left out
COMMON = 3e-3  # words that together have this rate are not asked for: they are in too many sentences
ASKED = 2  # sets of words that an anchor asks for, at most: one before it and one after

Edge = tuple[int, int]  # (atom, state it leads to)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A state that matches pass through; they also read one atom at least of each set `asked`, rarest set first."""

    state: int
    asked: tuple[tuple[int, ...], ...]


@functools.cache
def _rates() -> dict[str, float]:
    lines = (resources.files("screening") / "data" / RATES).read_text("utf-8").splitlines()
    return {name: float(rate) for name, rate in (line.split("\t") for line in lines if not line.startswith("# "))}


def rate_of(atom: str) -> float:
    """Return roughly how often a token of honest texts satisfies an atom: words and prefixes joined by `|`."""
    rates = _rates()
    return sum(rates.get(name, UNSEEN) for name in atom.split("|"))


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
    phrase = _Phrase(edges, rates)
    ends = [state for state, end in enumerate(accept) if end]
    anchors = []
    for state in phrase.cut(0, ends):
        own = phrase.entered[state]
        around = [phrase.cut(0, phrase.before(state)), [] if accept[state] else phrase.cut(state, ends)]
        asked = {tuple(sorted({phrase.entered[s] for s in cut})) for cut in around if cut} - {(own,)}
        rare = sorted((rate, atoms) for atoms in asked if (rate := sum(rates[a] for a in atoms)) < COMMON)
        anchors.append(Anchor(state, tuple(atoms for _, atoms in rare)))
    return anchors


class _Phrase:
    """A phrase as a graph in which edges lead to later states."""

    def __init__(self, edges: Sequence[Sequence[Edge]], rates: Sequence[float]) -> None:
        self.entered = {target: atom for out in edges for atom, target in out}
        self.targets = [[target for _, target in out] for out in edges]
        self.sources: list[list[int]] = [[] for _ in edges]
        for state, out in enumerate(self.targets):
            for target in out:
                self.sources[target].append(state)
        self.rate = [rates[self.entered[state]] if state in self.entered else inf for state in range(len(edges))]

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
