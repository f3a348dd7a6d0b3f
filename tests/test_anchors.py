"""Anchors: no match goes without one, and what an anchor asks for, its matches read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screening.anchors import ASKED, UNSEEN, WINDOW, Ask, Edge, anchors_of, rate_of
from screening.catalogue import load_catalogue
from screening.patterns import ANY, compile_pattern, parse_pattern
from training.rates import rows

Edges = list[list[Edge]]
Path = list[Edge]  # (atom, state) of each token

COMMON_WORD, ODD_WORD = 0.02, 0.0001
GAP = 5


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
        pytest.param("de viaje", {"viaje"}, {("de", -1, 1)}, id="stands on the rarer of two words"),
        pytest.param("viaje .. pago", {"viaje"}, {("pago", 1, 0b1111)}, id="asks for a word past a gap"),
        pytest.param("viaje pago?", {"viaje"}, set(), id="asks for nothing that may be left out"),
        pytest.param(
            "de a? viaje", {"viaje"}, {("a/de", -1, 1), ("de", -2, 0b11)}, id="asks past what may be left out"
        ),
        pytest.param(
            "(viaje pago|tren caro) a",
            {"viaje", "tren"},
            {("pago", 1, 1), ("caro", 1, 1), ("a", 2, 1)},
            id="has one for each way",
        ),
        pytest.param(
            "viaje (muy caro|no pago)", {"viaje"}, {("muy/no", 1, 1), ("caro/pago", 2, 1)}, id="asks for one of two"
        ),
        pytest.param("a (de|la)", {"a"}, {("de|la", 1, 1)}, id="stands on a common word where there is no other"),
        pytest.param("viaje ..8 pago", {"viaje"}, set(), id="asks for nothing in a wider window"),
    ],
)
def test_an_anchor(pattern: str, words: set[str], asked: set[tuple[str, int, int]]) -> None:
    edges, accept, rates, names = automaton_of(pattern, common=("a", "de", "de|la"))
    anchors = anchors_of(edges, accept, rates)
    entered = {target: names[atom] for out in edges for atom, target in out}
    assert {entered[anchor.state] for anchor in anchors} == words
    asks = [ask for anchor in anchors for ask in anchor.asked]
    assert {("/".join(names[atom] for atom in ask.atoms), ask.first, ask.bits) for ask in asks} == asked


@st.composite
def automata(draw: st.DrawFn) -> tuple[Edges, list[bool], list[float]]:
    """Draw a loop-free automaton in which a state is entered by one atom, and each state lies on a way through.

    It begins and ends on a word; the atom 5 is a gap.
    """
    states = draw(st.integers(2, 7))
    entered = [-1, draw(st.integers(0, 4)), *(draw(st.integers(0, GAP)) for _ in range(states - 2))]
    targets: list[set[int]] = [set() for _ in range(states)]
    for state in range(1, states):
        for source in draw(st.sets(st.integers(int(entered[state] == GAP), state - 1), min_size=1, max_size=3)):
            targets[source].add(state)
    for state in range(1, states - 1):
        if entered[state] == GAP and not targets[state]:
            targets[state].add(states - 1)
    entered[-1] = min(entered[-1], GAP - 1)
    accept = [entered[s] not in (-1, GAP) and (not targets[s] or draw(st.booleans())) for s in range(states)]
    rates = [*(draw(st.sampled_from([0.0001, 0.001, 0.01, 0.1])) for _ in range(GAP)), float("inf")]
    return [[(entered[t], t) for t in sorted(out)] for out in targets], accept, rates


def paths(edges: Edges, accept: Sequence[bool], state: int = 0) -> Iterator[Path]:
    if accept[state]:
        yield []
    for atom, target in edges[state]:
        yield from ([(atom, target), *rest] for rest in paths(edges, accept, target))


def reads(ask: Ask, path: Path, place: int) -> bool:
    near = (place + ask.first + i for i in range(WINDOW) if ask.bits >> i & 1)
    return any(path[at][0] in ask.atoms for at in near if 0 <= at < len(path))


@given(drawn=automata())
def test_every_match_meets_an_anchor_and_reads_what_it_asks_for(drawn: tuple[Edges, list[bool], list[float]]) -> None:
    edges, accept, rates = drawn
    anchors = {anchor.state: anchor for anchor in anchors_of(edges, accept, rates)}
    for path in paths(edges, accept):
        met = [(place, anchors[state]) for place, (_, state) in enumerate(path) if state in anchors]
        assert met, path
        assert all(reads(ask, path, place) for place, anchor in met for ask in anchor.asked)


@given(drawn=automata())
def test_what_is_asked_for_is_in_order_of_how_rarely_it_is_met(drawn: tuple[Edges, list[bool], list[float]]) -> None:
    edges, accept, rates = drawn
    for anchor in anchors_of(edges, accept, rates):
        chances = [sum(rates[atom] for atom in ask.atoms) * ask.bits.bit_count() for ask in anchor.asked]
        assert chances == sorted(chances)
        assert len(chances) <= ASKED
        assert all(0 < ask.bits < 1 << WINDOW for ask in anchor.asked)


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
