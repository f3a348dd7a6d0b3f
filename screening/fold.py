"""Fold text to what the patterns and features see, one code point at a time.

Each code point maps to zero, one or more folded ones whatever stands beside it, so a place in
the folded text always leads back to the original: NFKD, case folding, no marks or invisible
characters, look-alikes as the Latin letters they pass for. The price of that: text really
written in Greek, Cyrillic, Armenian or Cherokee turns into garbled Latin.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from screening.errors import CatalogueError

CONFUSABLES = "confusables.tsv"
NEWLINES = frozenset("\n\r\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}")
# Marks (accents, variation selectors, enclosing) and format characters (zero-width, bidi, tags).
DROPPED = frozenset({"Mn", "Me", "Cf"})
# A lone surrogate is broken input, not a letter: it separates words, and cannot be encoded downstream.
BLANK = frozenset({"Cc", "Cs", "Zs", "Zl", "Zp"})

# The folds of Latin-1 as bytes, for text without wider characters: 1:1, dropped, and (few) expanding.
_ByteFold = tuple[bytes, bytes, tuple[tuple[bytes, bytes], ...]]


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text, and where each of its code points came from.

    `offsets[i]` is the index in the original of the code point that gave `text[i]`; a `range`
    where every code point gave exactly one. `len(offsets) == len(text)`, never decreasing.
    """

    text: str
    offsets: Sequence[int] | range
    original_length: int

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the half-open range of the original behind the folded `[start, end)`.

        Dropped characters inside it are taken in, those at its edges left out. An original
        code point that gave several folded ones is taken whole.

        Raises
        ------
        ValueError
            If the range is empty or not within the folded text.

        Examples
        --------
        >>> fold("Stra\N{LATIN SMALL LETTER SHARP S}e").original_span(5, 7)
        (4, 6)
        """
        if not 0 <= start < end <= len(self.text):
            raise ValueError(
                f"[{start}, {end}) is not a non-empty range within the {len(self.text)} folded code points"
            )
        return self.offsets[start], self.offsets[end - 1] + 1


def fold(text: str) -> Folded:
    """Return the folded text with the original index of each of its code points."""
    folded = fold_text(text)
    return Folded(folded, _offsets(text, len(folded)), len(text))


def fold_text(text: str) -> str:
    r"""Return the folded text alone; folding it again changes nothing. Never raises on a str.

    Whitespace, control characters and lone surrogates become a space, line breaks a newline.
    Emoji, currency signs and letters with no Latin look-alike stay. ASCII changes in case only,
    control characters and carriage returns apart.

    Examples
    --------
    >>> fold_text("Se\N{LATIN SMALL LETTER N WITH TILDE}oritas\r\N{FULLWIDTH DIGIT ONE}")
    'senoritas\n1'
    """
    if text.isascii():
        return text.translate(_ascii_folds())
    try:
        latin = text.encode("latin-1")
    except UnicodeEncodeError:
        return text.translate(_folds())
    return _fold_latin(latin)


class _Folds(dict[int, str]):
    """The fold of each code point met so far; a new one is worked out and kept."""

    def __init__(self, lookalikes: Mapping[str, str]) -> None:
        super().__init__()
        self.lookalikes = lookalikes

    def __missing__(self, code: int) -> str:
        """Work out one code point; the dict can never outgrow Unicode."""
        folded = self[code] = _fold_character(chr(code), self.lookalikes)
        return folded


def _fold_character(char: str, lookalikes: Mapping[str, str]) -> str:
    """Repeat the step until nothing changes, which makes the fold of any text idempotent."""
    folded, last = char, None
    while folded != last:
        last, folded = folded, "".join(_fold_step(c, lookalikes) for c in folded)
    return folded


def _fold_step(char: str, lookalikes: Mapping[str, str]) -> str:
    # Look-alikes come first, also between decomposing and case folding: NFKD gives a parenthesised letter
    # its brackets, and case folding turns a Greek capital eta (an H to the eye) into a small one (an n).
    if char in lookalikes:
        return lookalikes[char]
    if char in NEWLINES:
        return "\n"
    category = unicodedata.category(char)
    if category in DROPPED:
        return ""
    if category in BLANK:
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(char))
    decomposed = unicodedata.normalize("NFKD", char)
    return decomposed if decomposed != char else char.casefold()


@cache
def _folds() -> _Folds:
    return _Folds(_lookalikes())


@cache
def _ascii_folds() -> dict[int, str]:
    return {code: _fold_character(chr(code), {}) for code in range(0x80)}


@cache
def _latin_folds() -> _ByteFold:
    folds = {bytes([code]): _folds()[code].encode("latin-1") for code in range(0x100)}
    single = b"".join(fold if len(fold) == 1 else byte for byte, fold in folds.items())
    dropped = b"".join(byte for byte, fold in folds.items() if not fold)
    return single, dropped, tuple((byte, fold) for byte, fold in folds.items() if len(fold) > 1)


def _fold_latin(latin: bytes) -> str:
    """Fold Latin-1 bytes: most Spanish and Portuguese text, over ten times as fast as `str.translate`."""
    single, dropped, expanding = _latin_folds()
    for byte, folded in expanding:
        latin = latin.replace(byte, folded)
    return latin.translate(single, dropped).decode("latin-1")


def _offsets(text: str, folded_length: int) -> Sequence[int] | range:
    """Trace folded code points back, walking only over those that did not give exactly one."""
    folds = _folds()
    uneven = [] if text.isascii() else [char for char in set(text) if len(folds[ord(char)]) != 1]
    if not uneven:
        return range(folded_length)
    offsets, after = array("i"), 0
    for run in re.finditer(f"[{re.escape(''.join(uneven))}]+", text):
        start, end = run.span()
        offsets.extend(range(after, start))
        offsets.extend([at for at in range(start, end) for _ in folds[ord(text[at])]])
        after = end
    offsets.extend(range(after, len(text)))
    return offsets


@cache
def _lookalikes() -> dict[str, str]:
    """Read and check the table; its header says where it comes from."""
    table = (files("screening") / "data" / CONFUSABLES).read_text(encoding="utf-8")
    rows: dict[str, str] = {}
    for number, line in enumerate(table.splitlines(), start=1):
        if not line.startswith("#"):
            where = f"{CONFUSABLES} line {number}"
            char, target = _read_row(line, where)
            if char in rows:
                raise CatalogueError(f"{where}: U+{ord(char):04X} has a row already: drop one of them")
            rows[char] = target
    return rows


def _read_row(line: str, where: str) -> tuple[str, str]:
    fields = line.split("\t")
    if len(fields) != 3:
        raise CatalogueError(f"{where}: {len(fields)} fields, want code point, target and name, tabs between")
    code, target, _ = fields
    if not re.fullmatch("[0-9A-F]{4,6}", code) or not 0x80 <= int(code, 16) <= 0x10FFFF:
        raise CatalogueError(f"{where}: code point {code!r} is not hexadecimal between 0080 and 10FFFF")
    # The target must be a folded text itself, or folding twice would differ from folding once.
    if not re.fullmatch("[ -@\\[-~]+", target):
        raise CatalogueError(f"{where}: target {target!r} of U+{code} is not lower-case printable ASCII")
    return chr(int(code, 16)), target
