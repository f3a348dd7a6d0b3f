"""Folded text as words, numbers, symbols and sentence boundaries, with common evasions repaired.

A token keeps its place in the folded text. What a writer did to hide a word (`tr4b4jo`,
`t r a b a j o`, `tra.ba.jo`, `trabajoooo`) becomes the plain word, provided that the plain
word is one the caller knows; otherwise the text is left as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

BOUNDARY = "."
MAX_WORD = 40  # code points; longer runs are cut off: no word of the catalogue or model is longer
MIN_SPACED = 4  # letters: shorter runs of single letters ("a b c") are more often lists
MIN_REPAIRED = 4  # letters: shorter words are met by chance

# Possessive quantifiers (Python 3.11) keep every alternative linear on hostile text.
_TOKEN = re.compile(r"[\w@$]++(?:[.,]\d++)*+|[€£%+]|[!?;\n]|\.(?!\w)|[\u2190-\u2bff\U0001f000-\U0001faff]")
_PART = re.compile(r"[^\W\d_]++|\d++(?:[.,]\d++)*+|\$")
_NUMBER = re.compile(r"\d++(?:[.,]\d++)*+")
_REPEAT = re.compile(r"(.)\1{2,}")
_DRAWN_OUT = re.compile(r"(.)\1{2,}$")
_LEET = (
    str.maketrans("0134578@$", "oieastbas"),
    str.maketrans("0134578@$", "oleastbas"),
)
_INCLUSIVE = (str.maketrans("@", "a"), str.maketrans("@", "o"))  # chic@s: common and honest in Spanish
_LETTER_JOINERS = frozenset(" ._-*/|~,")  # between single letters
_PIECE_JOINERS = frozenset("._*|~")  # between longer pieces: not the hyphen or apostrophe of "e-mail", "we'll"

Known = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one folded text: `texts[i]` stands at `[starts[i], ends[i])` of it.

    `repaired` holds the indices of tokens that were written so as to hide the word.
    """

    texts: list[str]
    starts: list[int]
    ends: list[int]
    repaired: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.texts)


def tokenise(folded: str, known: Known) -> Tokens:
    """Return the tokens of a folded text, in order.

    Parameters
    ----------
    folded
        Text that has been through `fold`.
    known
        Says whether a word (folded, two letters or more) is one worth repairing to.
    """
    tokens = list(_raw_tokens(folded, known))
    tokens = _join_pieces(tokens, folded, known)
    return Tokens(
        [t for t, _, _, _ in tokens],
        [s for _, s, _, _ in tokens],
        [e for _, _, e, _ in tokens],
        tuple(i for i, token in enumerate(tokens) if token[3]),
    )


_Raw = tuple[str, int, int, bool]


def _raw_tokens(folded: str, known: Known) -> Iterator[_Raw]:
    last = BOUNDARY
    for match in _TOKEN.finditer(folded):
        text = match.group()
        if text in ".!?;\n":
            if last != BOUNDARY:
                yield BOUNDARY, match.start(), match.end(), False
            last = BOUNDARY
            continue
        last = text
        if text.isalpha():
            yield _unrepeat(text, known), match.start(), match.end(), False
        else:
            yield from _chunk_tokens(text, match.start(), known)


def _unrepeat(word: str, known: Known) -> str:
    """`trabajooo` -> `trabajo`: three or more of a letter are never spelling in es, pt or en.

    At a word's end one is left; inside it two where that is a known word ("carrrro"), else one.
    """
    word = word[:MAX_WORD]
    if not _REPEAT.search(word):
        return word
    word = _DRAWN_OUT.sub(r"\1", word)
    double = _REPEAT.sub(r"\1\1", word)
    return double if known(double) else _REPEAT.sub(r"\1", word)


def _chunk_tokens(chunk: str, start: int, known: Known) -> Iterator[_Raw]:
    if _NUMBER.fullmatch(chunk) or len(chunk) == 1:
        if chunk not in "@_":
            yield chunk, start, start + len(chunk), False
        return
    plain = _unleet(chunk, known) if len(chunk) <= MAX_WORD else None
    if plain is not None:
        yield plain[0], start, start + len(chunk), plain[1]
        return
    for part in _PART.finditer(chunk):
        text = _unrepeat(part.group(), known) if part.group().isalpha() else part.group()
        yield text, start + part.start(), start + part.end(), False


def _unleet(chunk: str, known: Known) -> tuple[str, bool] | None:
    """Return the plain word and whether it was hidden, or None where there is no known word."""
    if not any(map(str.isalpha, chunk)):
        return None
    for tables, hidden in ((_INCLUSIVE, False), (_LEET, True)):
        for table in tables:
            word = _unrepeat(chunk.translate(table), known)
            if len(word) >= MIN_REPAIRED and word.isalpha() and known(word):
                return word, hidden
    return None


def _join_pieces(tokens: list[_Raw], folded: str, known: Known) -> list[_Raw]:
    """Put words back together that were cut by single characters."""
    joined: list[_Raw] = []
    i = 0
    while i < len(tokens):
        j = _run_end(tokens, i, folded)
        replacement = _joined(tokens[i:j], known) if j - i > 1 else None
        joined.extend(replacement or tokens[i:j])
        i = j
    return joined


def _run_end(tokens: list[_Raw], i: int, folded: str) -> int:
    """Return the end of the run of pieces that starts at i and is cut by one same character."""
    j = i + 1
    if not tokens[i][0].isalpha() or j == len(tokens):
        return j
    gap = folded[tokens[i][2] : tokens[j][1]]
    singles = _single(tokens[i]) and _single(tokens[j])
    if gap not in (_LETTER_JOINERS if singles else _PIECE_JOINERS):
        return j
    while j < len(tokens) and folded[tokens[j - 1][2] : tokens[j][1]] == gap and tokens[j][0].isalpha():
        if singles and not _single(tokens[j]):
            break
        j += 1
    return j


def is_emoji(token: str) -> bool:
    """Return whether a token is a pictograph: neither word, number, boundary nor sign of money or share."""
    return len(token) == 1 and not token.isalnum() and token not in ".$€£%+"


def _single(token: _Raw) -> bool:
    return token[2] - token[1] == 1


def _joined(pieces: list[_Raw], known: Known) -> list[_Raw] | None:
    text = "".join(piece[0] for piece in pieces)
    start, end = pieces[0][1], pieces[-1][2]
    if all(map(_single, pieces)):
        return _segmented(text, pieces, known) if len(pieces) >= MIN_SPACED else None
    odd = any(len(piece[0]) <= 2 or not known(piece[0]) for piece in pieces)
    if odd and MIN_REPAIRED <= len(text) <= MAX_WORD and known(text):
        return [(text, start, end, True)]
    return None


def _segmented(text: str, pieces: list[_Raw], known: Known) -> list[_Raw] | None:
    """Cut spaced letters into the fewest known words; None where that leaves a remainder.

    Dynamic programming over ends, words of up to `MAX_WORD` letters: linear in the run.
    """
    best: list[tuple[int, int] | None] = [(0, 0)] + [None] * len(text)
    for end in range(1, len(text) + 1):
        for start in range(max(0, end - MAX_WORD), end):
            before = best[start]
            if before is None or not known(text[start:end]):
                continue
            cost = before[0] + (1 if end - start > 2 else 3)  # words of one or two letters are cheap to find
            here = best[end]
            if here is None or cost < here[0]:
                best[end] = (cost, start)
    if best[-1] is None:
        return None
    words: list[_Raw] = []
    end = len(text)
    while end:
        step = best[end]
        assert step is not None  # every end on the path was reached
        words.append((text[step[1] : end], pieces[step[1]][1], pieces[end - 1][2], True))
        end = step[1]
    longest = max(len(word[0]) for word in words)
    return words[::-1] if longest >= MIN_REPAIRED else None  # "L M M J", "R.S.V.P." hide nothing
