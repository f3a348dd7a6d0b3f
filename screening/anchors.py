"""Where to look for a phrase: only at its rarest words, and only in texts that hold the words it cannot do without.

Every match of a phrase passes through exactly one kind of its anchors: states, each entered by reading a
word, that no way through the phrase avoids. Which states are taken depends on rough rates of words in honest
texts (`data/rates.tsv`); what is found does not. Hyperscan looks for phrases by their rare parts likewise.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

RATES = "rates.tsv"
UNSEEN = 3e-5  # the rate of a word that is not listed: those seen less often than this are left out
COMMON = 3e-3  # a word of this rate is in most postings: that it is there says nothing

Edge = tuple[int, int]  # (atom, state it leads to)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A state that matches pass through, and the other atoms that each match through it reads, rarest first."""

    state: int
    needed: tuple[int, ...]


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
        Of all atoms; above 1 for one that is no word.
    """
    entered = {target: atom for out in edges for atom, target in out}
    limit = _widest(edges, accept, rates)
    rare = [state in entered and rates[entered[state]] <= limit for state in range(len(edges))]
    states = min(_first_met(edges, rare), _last_met(edges, accept, rare), key=lambda s: _total(s, entered, rates))
    before, after = _read_before(edges), _read_after(edges, accept)
    return [Anchor(s, _worth_asking(before[s] | after[s], entered[s], rates)) for s in states]


def _worth_asking(atoms: Iterable[int], own: int, rates: Sequence[float]) -> tuple[int, ...]:
    return tuple(sorted((a for a in atoms if a != own and rates[a] < COMMON), key=lambda a: (rates[a], a)))


def _total(states: Iterable[int], entered: dict[int, int], rates: Sequence[float]) -> float:
    return sum(rates[atom] for atom in {entered[state] for state in states})


def _widest(edges: Sequence[Sequence[Edge]], accept: Sequence[bool], rates: Sequence[float]) -> float:
    """Return the rate that the rarest word of the most frequent way through has."""
    widest = [float("inf")] + [0.0] * (len(edges) - 1)
    for state, out in enumerate(edges):
        for atom, target in out:
            widest[target] = max(widest[target], min(widest[state], rates[atom]))
    return max(rate for rate, ends in zip(widest, accept, strict=True) if ends)


def _first_met(edges: Sequence[Sequence[Edge]], rare: Sequence[bool]) -> list[int]:
    reached, met = {0}, []
    for state, out in enumerate(edges):
        if state in reached:
            if rare[state]:
                met.append(state)
            else:
                reached.update(target for _, target in out)
    return met


def _last_met(edges: Sequence[Sequence[Edge]], accept: Sequence[bool], rare: Sequence[bool]) -> list[int]:
    going_on, met = set(), []
    for state in range(len(edges) - 1, -1, -1):
        if accept[state] or any(target in going_on for _, target in edges[state]):
            if rare[state]:
                met.append(state)
            else:
                going_on.add(state)
    return met


def _read_before(edges: Sequence[Sequence[Edge]]) -> list[frozenset[int]]:
    """Return for each state the atoms that every way from the start to it reads, its own among them."""
    before: list[frozenset[int] | None] = [frozenset()] + [None] * (len(edges) - 1)
    for state, out in enumerate(edges):
        for atom, target in out:
            way = (before[state] or frozenset()) | {atom}
            known = before[target]
            before[target] = way if known is None else known & way
    return [atoms or frozenset() for atoms in before]


def _read_after(edges: Sequence[Sequence[Edge]], accept: Sequence[bool]) -> list[frozenset[int]]:
    """Return for each state the atoms that every way from it to an end reads."""
    after: list[frozenset[int]] = [frozenset()] * len(edges)
    for state in range(len(edges) - 1, -1, -1):
        if not accept[state] and edges[state]:
            after[state] = frozenset.intersection(*(after[target] | {atom} for atom, target in edges[state]))
    return after
