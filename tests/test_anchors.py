"""Anchors: no match goes without one, and what an anchor asks for, its matches read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screening.anchors import COMMON, UNSEEN, Edge, anchors_of, rate_of
from screening.catalogue import load_catalogue
from screening.patterns import ANY, compile_pattern, parse_pattern
from training.rates import rows

Edges = list[list[Edge]]
Path = list[Edge]  # (atom, state) of each token

COMMON_WORD, ODD_WORD = 0.02, 0.0001


def automaton_of(pattern: str, common: Sequence[str]) -> tuple[Edges, list[bool], list[float], list[str]]:
    automaton = compile_pattern(parse_pattern(pattern, {}))
    names = sorted({atom for out in automaton.edges for atom, _ in out})
    edges = [[(names.index(atom), target) for atom, target in out] for out in automaton.edges]
    accept = [state in automaton.accept for state in range(len(edges))]
    rates = [float("inf") if n == ANY else COMMON_WORD if n in common else ODD_WORD for n in names]
    return edges, accept, rates, names


@pytest.mark.parametrize(
    ("pattern", "words", "asked"),
    [
        pytest.param("de viaje", {"viaje"}, set(), id="stands on the rarer of two words and asks for no common one"),
        pytest.param("viaje .. pago", {"viaje"}, {"pago"}, id="asks for the other rare word past a gap"),
        pytest.param("viaje pago?", {"viaje"}, set(), id="asks for nothing that may be left out"),
        pytest.param("(viaje pago|tren caro) a", {"viaje", "tren"}, {"pago", "caro"}, id="has one for each way"),
        pytest.param("viaje (muy caro|no pago)", {"viaje"}, {"muy/no"}, id="asks for one of two, where either will do"),
        pytest.param("a (de|la)", {"a"}, set(), id="stands on a common word where there is no other"),
    ],
)
def test_an_anchor(pattern: str, words: set[str], asked: set[str]) -> None:
    edges, accept, rates, names = automaton_of(pattern, common=("a", "de", "de|la"))
    anchors = anchors_of(edges, accept, rates)
    entered = {target: names[atom] for out in edges for atom, target in out}
    assert {entered[anchor.state] for anchor in anchors} == words
    assert {"/".join(names[atom] for atom in atoms) for anchor in anchors for atoms in anchor.asked} == asked


@st.composite
def automata(draw: st.DrawFn) -> tuple[Edges, list[bool], list[float]]:
    """Draw a loop-free automaton in which a state is entered by one atom, and each state lies on a way through."""
    states = draw(st.integers(2, 7))
    entered = [-1, *(draw(st.integers(0, 4)) for _ in range(states - 1))]
    targets: list[set[int]] = [set() for _ in range(states)]
    for state in range(1, states):
        for source in draw(st.sets(st.integers(0, state - 1), min_size=1, max_size=3)):
            targets[source].add(state)
    accept = [state > 0 and (not targets[state] or draw(st.booleans())) for state in range(states)]
    rates = [draw(st.sampled_from([0.0001, 0.001, 0.01, 0.1])) for _ in range(5)]
    return [[(entered[t], t) for t in sorted(out)] for out in targets], accept, rates


def paths(edges: Edges, accept: Sequence[bool], state: int = 0) -> Iterator[Path]:
    if accept[state]:
        yield []
    for atom, target in edges[state]:
        yield from ([(atom, target), *rest] for rest in paths(edges, accept, target))


@given(drawn=automata())
def test_every_match_meets_an_anchor_and_reads_what_it_asks_for(drawn: tuple[Edges, list[bool], list[float]]) -> None:
    edges, accept, rates = drawn
    anchors = {anchor.state: anchor for anchor in anchors_of(edges, accept, rates)}
    for path in paths(edges, accept):
        met = [anchors[state] for _, state in path if state in anchors]
        assert met, path
        read = {atom for atom, _ in path}
        assert all(read.intersection(atoms) for anchor in met for atoms in anchor.asked)


@given(drawn=automata())
def test_what_is_asked_for_is_rare_and_in_order(drawn: tuple[Edges, list[bool], list[float]]) -> None:
    edges, accept, rates = drawn
    for anchor in anchors_of(edges, accept, rates):
        asked = [sum(rates[atom] for atom in atoms) for atoms in anchor.asked]
        assert asked == sorted(asked)
        assert max(asked, default=0) < COMMON


def test_each_phrase_of_the_catalogue_has_an_anchor() -> None:
    automata = load_catalogue().automata
    stands = set(automata.anchor.tolist())
    for first, last in zip(automata.start[:-1].tolist(), automata.start[1:].tolist(), strict=True):
        assert stands & set(range(first + 1, last))


def test_rates_add_up_over_alternatives() -> None:
    assert rate_of("zzzzz") == UNSEEN
    assert rate_of("de") > rate_of("viaje") > 0
    assert rate_of("de|viaje") == pytest.approx(rate_of("de") + rate_of("viaje"))


def test_rates_are_counted_for_words_prefixes_and_numbers() -> None:
    class Matcher:
        def known(self, word: str) -> bool:
            return False

        def names_of(self, word: str) -> list[str]:
            return {"viajes": ["viaj*"], "de": ["de"], "3": ["#"]}.get(word, [])

    assert rows(Matcher(), ["de viajes de 3 x"]) == ["de\t0.4", "#\t0.2", "viaj*\t0.2"]  # type: ignore[arg-type]
