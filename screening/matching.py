"""Find every phrase of the catalogue in a token list, in time linear in the tokens.

All phrases run at once as one automaton over tokens whose states are worked out when first
met and remembered (a lazily built DFA, as in RE2). Where a phrase ends, its mirrored
automaton is run backwards over at most its longest length to find where it started.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from screening.catalogue import Catalogue, Phrase
from screening.patterns import ANY, NUMBER, Automaton
from screening.tokens import BOUNDARY, Tokens

NEGATION_REACH = 3  # tokens before a finding in which a negator undoes it
_CLAUSE = re.compile(r"[,:()\n]")  # a negator does not reach past these
MAX_STATES = 50_000  # remembered states, then the memory is cleared: hostile text cannot fill it
MAX_CLASSES = 200_000  # remembered tokens, likewise

NEGATORS = {
    "es": frozenset("no sin nunca jamas ni tampoco nadie ningun ninguna ningunos".split()),
    "pt": frozenset("nao nem sem nunca jamais ninguem nenhum nenhuma n".split()),
    "en": frozenset("no not never without nor cannot cant dont t nobody none".split()),
}
# "no te pierdas", "not only", "don't miss": the negator opens a call, it denies nothing.
NOT_NEGATED = frozenset(
    "solo solamente pierdas pierda pierdan dudes dude esperes espere importa faltes lo perca so apenas "
    "preocupes preocupe preocupen preocupa only miss wait hesitate matter worries worry just".split()
)


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase found at tokens `[start, end)`."""

    phrase: Phrase
    start: int
    end: int


_State = frozenset[int]


class Matcher:
    """All phrases of a catalogue, ready to run. Safe to share between threads for reading results only."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._phrases = catalogue.phrases
        self._negatable = {i.code for i in catalogue.indicators if i.negatable}
        self._targets: list[dict[str, tuple[int, ...]]] = []
        self._accepts: dict[int, int] = {}  # automaton state -> phrase number
        for number, phrase in enumerate(self._phrases):
            self._add(number, phrase.forward)
        self._start_targets = self._merge_starts()
        self._atoms = frozenset(self._start_targets).union(*self._targets) if self._targets else frozenset()
        self._prefix_lengths = sorted({len(a) - 1 for a in self._atoms if a.endswith("*")})
        self._forget()

    def _add(self, number: int, automaton: Automaton) -> None:
        base = len(self._targets)
        for out in automaton.edges:
            targets: dict[str, tuple[int, ...]] = {}
            for atom, target in out:
                targets[atom] = (*targets.get(atom, ()), base + target)
            self._targets.append(targets)
        self._accepts.update((base + state, number) for state in automaton.accept)

    def _merge_starts(self) -> dict[str, tuple[int, ...]]:
        merged: dict[str, list[int]] = {}
        base = 0
        for phrase in self._phrases:
            for atom, targets in self._targets[base].items():
                merged.setdefault(atom, []).extend(targets)
            base += len(phrase.forward.edges)
        return {atom: tuple(targets) for atom, targets in merged.items()}

    def _forget(self) -> None:
        self._class_of: dict[str, tuple[str, ...]] = {}
        self._states: dict[_State, int] = {frozenset(): 0}
        self._members: list[_State] = [frozenset()]
        self._next: list[dict[tuple[str, ...], int]] = [{}]
        self._ending: list[tuple[int, ...]] = [()]

    def known(self, word: str) -> bool:
        """Return whether some phrase names this word, in full or by a prefix."""
        return word in self._atoms or any(word[:n] + "*" in self._atoms for n in self._prefix_lengths if n <= len(word))

    def find(self, tokens: Tokens, folded: str) -> list[Match]:
        """Return the phrases found and not negated, by end; `folded` is the text of the tokens."""
        matches = []
        for number, end in self._ends(tokens.texts):
            phrase = self._phrases[number]
            start = start_of(phrase.backward, tokens.texts, end)
            if not (phrase.code in self._negatable and is_negated(tokens, folded, start, phrase.language)):
                matches.append(Match(phrase, start, end))
        return matches

    def _ends(self, texts: Sequence[str]) -> list[tuple[int, int]]:
        """Return (phrase number, token after its last) for every phrase that ends somewhere."""
        if len(self._states) > MAX_STATES or len(self._class_of) > MAX_CLASSES:
            self._forget()
        ends = []
        state = 0
        for i, text in enumerate(texts):
            if text == BOUNDARY:
                state = 0
                continue
            klass = self._class_of.get(text) or self._classify(text)
            state_next = self._next[state].get(klass)
            state = self._step(state, klass) if state_next is None else state_next
            if self._ending[state]:
                ends.extend((number, i + 1) for number in self._ending[state])
        return ends

    def _classify(self, text: str) -> tuple[str, ...]:
        """Return the atoms this token satisfies, ANY always among them."""
        klass = tuple(atom for atom in atoms_of(text, self._prefix_lengths) if atom in self._atoms)
        self._class_of[text] = klass = klass or (ANY,)
        return klass

    def _step(self, state: int, klass: tuple[str, ...]) -> int:
        reached: set[int] = set()
        for atom in klass:
            reached.update(self._start_targets.get(atom, ()))
            for member in self._members[state]:
                reached.update(self._targets[member].get(atom, ()))
        members = frozenset(reached)
        number = self._states.get(members)
        if number is None:
            number = self._states[members] = len(self._members)
            self._members.append(members)
            self._next.append({})
            self._ending.append(tuple(sorted({self._accepts[m] for m in members if m in self._accepts})))
        self._next[state][klass] = number
        return number


def atoms_of(text: str, prefix_lengths: Sequence[int]) -> list[str]:
    """Return every atom that a token could satisfy."""
    atoms = [text, ANY]
    if text[0].isdigit():
        atoms.append(NUMBER)
    elif text[0].isalpha():
        atoms += [text[:n] + "*" for n in prefix_lengths if n <= len(text)]
    return atoms


def start_of(backward: Automaton, texts: Sequence[str], end: int) -> int:
    """Return the leftmost token at which the phrase that ends before `end` can start."""
    states, start = {0}, end
    lengths = range(3, 24)
    for i in range(end - 1, max(-1, end - 1 - backward.longest), -1):
        if texts[i] == BOUNDARY:
            break
        atoms = set(atoms_of(texts[i], lengths))
        states = {target for state in states for atom, target in backward.edges[state] if atom in atoms}
        if not states:
            break
        if not states.isdisjoint(backward.accept):
            start = i
    return start


def is_negated(tokens: Tokens, folded: str, start: int, language: str) -> bool:
    """Return whether a negator of the language stands shortly before token `start` in its clause."""
    negators = NEGATORS[language]
    for i in range(start - 1, max(-1, start - 1 - NEGATION_REACH), -1):
        if tokens.texts[i] == BOUNDARY or _CLAUSE.search(folded, tokens.ends[i], tokens.starts[i + 1]):
            return False
        if tokens.texts[i] in negators:
            return NOT_NEGATED.isdisjoint(tokens.texts[i + 1 : start + 1])
    return False
