"""What the model sees of a text: its indicator findings, its words and its pairs of words.

Training and serving both call `featurise`; there is no second path.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from screening.catalogue import Catalogue
from screening.fold import Folded, fold
from screening.matching import Match, Matcher
from screening.neutral import neutral_words
from screening.tokens import BOUNDARY, Tokens, is_emoji, tokenise

GRAM_SIZES = (3, 4, 5)  # letters, with the word's edges marked
GRAM_BUCKETS = 2**18
EVASION = "evasion-spelling"
COMBINATION = "combination"
FEW_WORDS = 10  # words added to a text's length when its words are weighed
MAX_COMBINED = 5  # further risk indicators add no more
FRAMED = 0.5  # what is left of a risk indicator in a text that warns, reports or tells

_DIGIT = re.compile(r"\d")
# Greek or Cyrillic beside Latin inside one word, or a zero-width space between Latin letters.
_HIDDEN = re.compile("[A-Za-z](?:[\u0370-\u058f]|[\u200b\u200c\u2060\ufeff]+[A-Za-z])|[\u0370-\u058f][A-Za-z]")


@dataclass(frozen=True, slots=True)
class Features:
    """One text, ready to be scored.

    Attributes
    ----------
    words
        Distinct words (numbers by their count of digits, names of groups made neutral), by first appearance.
    pairs
        Distinct pairs of neighbouring words of one sentence, joined by a space.
    values
        Indicator code -> value in (0, 1]; only what was found. `combination` counts
        how many risk indicators stand together.
    framed
        Whether a framing indicator was found: the text warns, reports, tells or asks.
    hidden
        Ranges of the original text where letters of two scripts, or invisible ones, stand in one word.
    """

    folded: Folded
    tokens: Tokens
    matches: list[Match]
    words: dict[str, int]
    pairs: dict[str, int]
    values: Mapping[str, float]
    framed: bool = False
    hidden: tuple[tuple[int, int], ...] = ()

    @property
    def scale(self) -> float:
        """Return what every word's weight is multiplied by.

        It falls with the root of the text's length, so that a long text does not add up to
        more; and it is held down for the shortest, in which few words would say too much.
        """
        return 1 / math.sqrt(len(self.words) + FEW_WORDS)


class Featuriser:
    """Turns texts into `Features`; training and serving share one."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.matcher = Matcher(catalogue)
        self._risks = frozenset(i.code for i in catalogue.indicators if i.role == "risk")
        self._framings = frozenset(i.code for i in catalogue.indicators if i.role == "framing")

    def __call__(self, text: str) -> Features:
        """Return the features of one text; for empty text all are empty."""
        folded = fold(text)
        tokens = tokenise(folded.text, self.matcher.known)
        matches = self.matcher.find(tokens, folded.text)
        found = {m.phrase.code for m in matches}
        hidden = () if text.isascii() else tuple(m.span() for m in _HIDDEN.finditer(text))
        if tokens.repaired or hidden:
            found.add(EVASION)
        words, pairs = words_and_pairs(tokens.texts)
        framed = not found.isdisjoint(self._framings)
        return Features(folded, tokens, matches, words, pairs, self._values(found, framed), framed, hidden)

    def _values(self, found: set[str], framed: bool) -> dict[str, float]:
        """Return 1 for what was found, less for risks that a warning, report or account speaks of."""
        values = {code: FRAMED if framed and code in self._risks else 1.0 for code in found}
        risks = sum(values[code] for code in found if code in self._risks)
        if risks > 1:
            values[COMBINATION] = (min(risks, MAX_COMBINED) - 1) / (MAX_COMBINED - 1)
        return values


def words_and_pairs(texts: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the distinct words and pairs, each with the index of the token where it first begins."""
    words: dict[str, int] = {}
    pairs: dict[str, int] = {}
    previous, before = "", 0
    for text, i in neutral_words(texts):
        if text == BOUNDARY:
            previous = ""
            continue
        word = shape(text)
        words.setdefault(word, i)
        if is_emoji(word):
            continue  # a pair reaches over it
        if previous:
            pairs.setdefault(f"{previous} {word}", before)
        previous, before = word, i
    return words, pairs


def shape(token: str) -> str:
    """Return the token, or for a number `#` and its count of digits, up to 9."""
    return f"#{min(9, len(_DIGIT.findall(token)))}" if token[0].isdigit() else token


def key_of(term: str) -> int:
    """Return the 32-bit key of a word or pair."""
    return zlib.crc32(term.encode("utf-8", "surrogatepass"))


def grams_of(word: str) -> Iterator[int]:
    """Yield the buckets of the letter n-grams of a word, each in [0, GRAM_BUCKETS)."""
    if not word.isalpha():
        return
    marked = f"<{word}>"
    for size in GRAM_SIZES:
        for i in range(len(marked) - size + 1):
            yield key_of(marked[i : i + size]) % GRAM_BUCKETS
