"""Find every phrase of the catalogue in a token list, in time linear in the tokens.

All phrases run at once as one automaton over tokens whose states are worked out when first
met and remembered (a lazily built DFA, as in RE2). Where a phrase ends, its own
automaton is run backwards over at most its longest length to find where it started.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from screening.catalogue import Catalogue, Phrase
from screening.classes import Words, words_of
from screening.patterns import NUMBER
from screening.tokens import BOUNDARY, Tokens, is_emoji

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
_Class = frozenset[int]  # atom numbers


class Matcher:
    """All phrases of a catalogue, ready to run.

    What it remembers only saves time: results do not depend on it. One matcher is not to
    be used by two threads at once.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._phrases = catalogue.phrases
        self._negatable = {i.code for i in catalogue.indicators if i.negatable}
        self._words = words_of(catalogue.atoms)
        # One lane a language: their states would multiply in one automaton, and add up in three.
        languages = sorted({p.language for p in catalogue.phrases})
        self._lanes = [_Lane(catalogue, language, self._words) for language in languages]

    def known(self, word: str) -> bool:
        """Return whether some phrase names this word, in full or by a prefix."""
        return any(name in self._words.atoms_with for name in self._words.names_of(word))

    def names_of(self, word: str) -> list[str]:
        """Return the words, prefixes and `#` of phrases that read this word."""
        names = [name for name in self._words.names_of(word) if name in self._words.atoms_with]
        return [*names, NUMBER] if word[0].isdigit() else names

    def find(self, tokens: Tokens, folded: str) -> list[Match]:
        """Return the phrases found and not negated, by language and end; `folded` is the text of the tokens."""
        matches = []
        kept = [i for i, text in enumerate(tokens.texts) if not is_emoji(text) or text in self._words.atoms_with]
        texts = [tokens.texts[i] for i in kept]  # emoji between words, which no phrase names, hide nothing
        for lane in self._lanes:
            for number, end in lane.ends(texts):
                phrase = self._phrases[number]
                start = kept[lane.start_of(number, texts, end)]
                if not (phrase.code in self._negatable and is_negated(tokens, folded, start, phrase.language)):
                    matches.append(Match(phrase, start, kept[end - 1] + 1))
        return matches


class _Lane:
    """The phrases of one language as a lazily built deterministic automaton."""

    def __init__(self, catalogue: Catalogue, language: str, words: Words) -> None:
        self._automata = a = catalogue.automata
        self._words = words
        self._phrase_of = np.repeat(np.arange(len(catalogue.phrases)), np.diff(a.start))
        self._edges_of: dict[int, list[tuple[int, int]]] = {}
        self._backward: dict[int, dict[int, list[tuple[int, int]]]] = {}
        own = [i for i, phrase in enumerate(catalogue.phrases) if phrase.language == language]
        first, last = a.start[own[0]], a.start[own[-1] + 1]  # a language's phrases stand together
        self._atoms = frozenset(a.atom[a.first[first] : a.first[last]].tolist())
        self._starts = self._merge_starts(a.start[own].tolist())
        self._forget()

    def _merge_starts(self, starts: list[int]) -> dict[int, list[int]]:
        merged: dict[int, list[int]] = {}
        for state in starts:
            for atom, target in self._edges(state):
                merged.setdefault(atom, []).append(target)
        return merged

    def _edges(self, state: int) -> list[tuple[int, int]]:
        """Return (atom, next state) for a state; taken out of the arrays once."""
        found = self._edges_of.get(state)
        if found is None:
            a = self._automata
            edges = slice(a.first[state], a.first[state + 1])
            found = list(zip(a.atom[edges].tolist(), a.target[edges].tolist(), strict=True))
            self._edges_of[state] = found
        return found

    def _forget(self) -> None:
        self._class_of: dict[str, int] = {}
        self._classes: dict[_Class, int] = {}
        self._class_atoms: list[_Class] = []
        self._class_starts: list[list[int]] = []
        self._states: dict[_State, int] = {frozenset(): 0}
        self._members: list[_State] = [frozenset()]
        self._next: list[dict[int, int]] = [{}]
        self._ending: list[tuple[int, ...]] = [()]

    def ends(self, texts: Sequence[str]) -> list[tuple[int, int]]:
        """Return (phrase number, token after its last) for every phrase that ends somewhere."""
        if len(self._states) > MAX_STATES or len(self._class_of) > MAX_CLASSES:
            self._forget()
        ends: list[tuple[int, int]] = []
        state = 0
        for i, text in enumerate(texts):
            if text == BOUNDARY:
                state = 0
                continue
            klass = self._class_of.get(text)
            if klass is None:
                klass = self._classify(text)
            following = self._next[state].get(klass)
            state = self._step(state, klass) if following is None else following
            if self._ending[state]:
                ends.extend((number, i + 1) for number in self._ending[state])
        return ends

    def _classify(self, text: str) -> int:
        """Return and remember the number of the set of this lane's atoms that a token satisfies."""
        atoms = self._atoms.intersection(self._words.atoms_of(text))
        klass = self._classes.setdefault(atoms, len(self._class_atoms))
        if klass == len(self._class_atoms):
            self._class_atoms.append(atoms)
            self._class_starts.append([target for atom in atoms for target in self._starts.get(atom, ())])
        self._class_of[text] = klass
        return klass

    def _step(self, state: int, klass: int) -> int:
        atoms = self._class_atoms[klass]
        reached = set(self._class_starts[klass])
        for member in self._members[state]:
            reached.update(target for atom, target in self._edges(member) if atom in atoms)
        members = frozenset(reached)
        number = self._states.setdefault(members, len(self._members))
        if number == len(self._members):
            self._members.append(members)
            self._next.append({})
            self._ending.append(tuple(sorted({int(self._phrase_of[m]) for m in members if self._automata.accept[m]})))
        self._next[state][klass] = number
        return number

    def start_of(self, number: int, texts: Sequence[str], end: int) -> int:
        """Return the leftmost token at which phrase `number`, which ends before `end`, can start."""
        first, last = self._automata.start[number : number + 2].tolist()
        sources = self._backward.get(number) or self._reverse(number)
        states = {first + i for i in np.flatnonzero(self._automata.accept[first:last]).tolist()}
        start = end
        for i in range(end - 1, max(-1, end - 1 - int(self._automata.longest[number])), -1):
            if texts[i] == BOUNDARY:
                break
            atoms = self._class_atoms[self._classify(texts[i])]
            states = {source for state in states for atom, source in sources.get(state, ()) if atom in atoms}
            if first in states:
                start = i
        return start

    def _reverse(self, number: int) -> dict[int, list[tuple[int, int]]]:
        """Return and remember state -> (atom read on entering it, state before) for one phrase."""
        sources: dict[int, list[tuple[int, int]]] = {}
        for state in range(*self._automata.start[number : number + 2].tolist()):
            for atom, target in self._edges(state):
                sources.setdefault(target, []).append((atom, state))
        self._backward[number] = sources
        return sources


def is_negated(tokens: Tokens, folded: str, start: int, language: str) -> bool:
    """Return whether a negator of the language stands shortly before token `start` in its clause."""
    negators = NEGATORS[language]
    for i in range(start - 1, max(-1, start - 1 - NEGATION_REACH), -1):
        if tokens.texts[i] == BOUNDARY or _CLAUSE.search(folded, tokens.ends[i], tokens.starts[i + 1]):
            return False
        if tokens.texts[i] in negators:
            return NOT_NEGATED.isdisjoint(tokens.texts[i + 1 : start + 1])
    return False
