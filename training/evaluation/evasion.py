"""How far a flagged text can be disguised before it loses its level.

Each attack rewrites a text as people (or machines) do who want to pass unseen, and a reader
still understands it. The same text is always rewritten in the same way.
"""

from __future__ import annotations

import random
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from screening import Screener

TARGET = 0.95  # share of the rewritten texts that keep their level
RANK = {"low": 0, "review": 1, "high": 2}
TABLES = Path(__file__).with_name("rewording.toml")
HIDDEN_SHARE = 0.5  # of the words long enough: who hides words hides the telling ones, not all
LONG_WORD = 4  # letters; shorter words are not worth hiding
SPACED_WORD = 5
EMOJI_EVERY = 2  # words

_WORD = re.compile(r"[^\W\d_]+")
_CYRILLIC = str.maketrans(
    "aceopxyijsABCEHIKMOPTXYJS",
    "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0456\u0458\u0455"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u041a\u041c\u041e\u0420\u0422\u0425\u0423\u0408\u0405",
)
_LEET = str.maketrans("aeiosAEIOS", "4310543105")
_ZERO_WIDTH = "\u200b\u200c\u2060\ufeff"
_EMOJI = "\U0001f600\U0001f4b8\U0001f525\u2728\U0001f48b\U0001f449\u2708\U0001f4b0\u2764\U0001f64f"

Attack = Callable[[str, random.Random, str], str]


def cyrillic(text: str, rng: random.Random, language: str) -> str:
    """Return the text with every letter that has a Cyrillic double replaced by it."""
    return text.translate(_CYRILLIC)


def fullwidth(text: str, rng: random.Random, language: str) -> str:
    """Return the text in full-width letters and digits."""
    return "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text)


def mathematical(text: str, rng: random.Random, language: str) -> str:
    """Return the text in mathematical bold letters, as on profile pages."""
    return "".join(_bold(c) for c in text)


def _bold(char: str) -> str:
    for first, last, base in (("a", "z", 0x1D41A), ("A", "Z", 0x1D400), ("0", "9", 0x1D7CE)):
        if first <= char <= last:
            return chr(base + ord(char) - ord(first))
    return char


def zero_width(text: str, rng: random.Random, language: str) -> str:
    """Return the text with an invisible character inside every longer word."""
    return _words(text, rng, LONG_WORD, lambda w: _cut(w, rng, rng.choice(_ZERO_WIDTH)), share=1.0)


def spaced(text: str, rng: random.Random, language: str) -> str:
    """Return the text with half of its longer words spelt with spaces, one space between all letters."""
    return _words(text, rng, SPACED_WORD, " ".join)


def dotted(text: str, rng: random.Random, language: str) -> str:
    """Return the text with half of its longer words spelt with dots."""
    return _words(text, rng, SPACED_WORD, ".".join)


def split_by_dot(text: str, rng: random.Random, language: str) -> str:
    """Return the text with a dot somewhere inside half of its longer words."""
    return _words(text, rng, SPACED_WORD, lambda w: _cut(w, rng, "."))


def leet(text: str, rng: random.Random, language: str) -> str:
    """Return the text with digits for vowels and s in half of its longer words."""
    return _words(text, rng, LONG_WORD, lambda w: w.translate(_LEET))


def no_accents(text: str, rng: random.Random, language: str) -> str:
    """Return the text as typed without accents or tilde."""
    pieces = unicodedata.normalize("NFD", text)
    return "".join(c for c in pieces if not unicodedata.combining(c))


def repeated(text: str, rng: random.Random, language: str) -> str:
    """Return the text with the last letter of half of its longer words drawn out."""
    return _words(text, rng, LONG_WORD, lambda w: w + w[-1] * rng.randint(2, 4))


def emoji(text: str, rng: random.Random, language: str) -> str:
    """Return the text with an emoji after every second word."""
    count = 0

    def mark(match: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return match.group() + (f" {rng.choice(_EMOJI)}" if count % EMOJI_EVERY == 0 else "")

    return re.sub(r"\S*[^\W\d_]\S*", mark, text)


def upper_case(text: str, rng: random.Random, language: str) -> str:
    """Return the text in capitals."""
    return text.upper()


def lightly_reworded(text: str, rng: random.Random, language: str) -> str:
    """Return the text with half of the words and phrases we have another for replaced by it."""
    return replace_words(text, _rewordings("reword", language), rng)


def fully_reworded(text: str, rng: random.Random, language: str) -> str:
    """Return the text with every word and phrase we have another for replaced by it."""
    return replace_words(text, _rewordings("reword", language))


def chat_spelling(text: str, rng: random.Random, language: str) -> str:
    """Return the text in the short forms of chat."""
    return replace_words(text, _rewordings("chat", language))


ATTACKS: dict[str, Attack] = {
    "Cyrillic letters": cyrillic,
    "full-width letters": fullwidth,
    "mathematical letters": mathematical,
    "zero-width characters": zero_width,
    "spaced letters": spaced,
    "dotted letters": dotted,
    "dot inside words": split_by_dot,
    "leet": leet,
    "no accents": no_accents,
    "repeated letters": repeated,
    "emoji between words": emoji,
    "upper case": upper_case,
    "light rewording": lightly_reworded,
    "full rewording": fully_reworded,
    "chat spelling": chat_spelling,
}


def attacked(text: str, attack: str, language: str = "es") -> str:
    """Return a text under one attack, the same one every time."""
    return ATTACKS[attack](text, random.Random(f"{attack}:{text}"), language)


def _words(
    text: str, rng: random.Random, length: int, change: Callable[[str], str], share: float = HIDDEN_SHARE
) -> str:
    def one(match: re.Match[str]) -> str:
        word = match.group()
        return change(word) if len(word) >= length and rng.random() < share else word

    return _WORD.sub(one, text)


def _cut(word: str, rng: random.Random, mark: str) -> str:
    at = rng.randint(2, len(word) - 2)
    return word[:at] + mark + word[at:]


@cache
def _rewordings(table: str, language: str) -> dict[str, str]:
    """Return what replaces what; read once."""
    rows = tomllib.loads(TABLES.read_text("utf-8"))[table].get(language, [])
    return {old: row[-1] for row in rows for old in row[:-1]}


def replace_words(text: str, table: dict[str, str], rng: random.Random | None = None) -> str:
    """Return the text with whole words replaced, the longest first, in the case they were written in.

    With `rng`, half of the places are left as they are.
    """
    if not table:
        return text

    def other(match: re.Match[str]) -> str:
        keep = rng is not None and rng.random() >= HIDDEN_SHARE
        return match.group() if keep else in_case_of(match.group(), table[match.group().lower()])

    words = "|".join(map(re.escape, sorted(table, key=len, reverse=True)))
    return re.sub(rf"(?<!\w)(?:{words})(?!\w)", other, text, flags=re.IGNORECASE)


def in_case_of(model: str, word: str) -> str:
    """Return a word in capitals, with a capital, or small, as another one is written."""
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def evasion(table: pd.DataFrame, screener: Screener, levels: Iterable[str]) -> dict[str, Any]:
    """Return, per attack, how many flagged lures keep their level; texts an attack leaves alone do not count.

    Parameters
    ----------
    levels
        The level of each row of the table before any attack.
    """
    flagged = table.assign(level=list(levels))
    flagged = flagged[(flagged.level != "low") & (flagged.label == 1)]
    rows = []
    for text, language, kind, level in zip(flagged.text, flagged.language, flagged.kind, flagged.level, strict=True):
        for name in ATTACKS:
            changed = attacked(text, name, language)
            if changed != text:
                after = screener.screen(changed).level
                keeps, still = RANK[after] >= RANK[level], after != "low"
                rows.append((name, language, kind, level, keeps, still))
    found = pd.DataFrame(rows, columns=["attack", "language", "kind", "level", "keeps_level", "still_flagged"])
    return {
        "flagged_texts": len(flagged),
        "attacks": {name: _shares(found[found.attack == name]) for name in ATTACKS},
        "languages": {str(name): _shares(part) for name, part in found.groupby("language")},
        "levels": {str(name): _shares(part) for name, part in found.groupby("level")},
        "all": _shares(found),
    }


def _shares(rows: pd.DataFrame) -> dict[str, float]:
    if rows.empty:
        return {"texts": 0, "keeps_level": 1.0, "still_flagged": 1.0}
    return {
        "texts": len(rows),
        "keeps_level": float(rows.keeps_level.mean()),
        "still_flagged": float(rows.still_flagged.mean()),
    }


def measures(results: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return what is pinned: name -> (value, wanted)."""
    named = {**results["attacks"], "all": results["all"]}
    return {f"{name}.keeps_level": (row["keeps_level"], TARGET) for name, row in named.items()}


def as_text(results: dict[str, Any]) -> str:
    """Return the shares as a table to read."""
    lines = [
        f"{results['flagged_texts']} flagged lures, each rewritten; wanted: {TARGET:.0%} keep their level",
        f"{'attack':<24}{'texts':>7}{'keeps level':>13}{'still flagged':>15}",
    ]
    for group in ("attacks", "languages", "levels"):
        lines += [_line(name, row) for name, row in results[group].items()]
    return "\n".join([*lines, _line("all", results["all"])])


def _line(name: str, row: dict[str, float]) -> str:
    return f"{name:<24}{row['texts']:>7}{row['keeps_level']:>13.3f}{row['still_flagged']:>15.3f}"
