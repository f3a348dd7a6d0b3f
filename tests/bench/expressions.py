"""The catalogue's phrases as what one would write first: a regular expression each, tried one after the other.

They read the folded text, where words are set apart by whatever is no letter, digit or end of a
sentence. That is not exactly what the library finds: its tokens also join letters spelt apart,
read digits as letters and hold links together, signs and emoji may be skipped here where a gap
counts them there, and findings that are negated are left out there. `agreement` tells how near it comes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence

from screening.catalogue import GENDERED, LANGUAGES, Catalogue, Phrase, load_catalogue, read_sources
from screening.features import Featuriser
from screening.fold import fold_text
from screening.neutral import counterpart, names_of
from screening.patterns import ANY, NUMBER, Node, parse_list, parse_pattern

APART = r"[^\w.!?;\n]*"  # between two tokens of a sentence


class Expressions:
    """Some phrases as compiled expressions."""

    def __init__(self, phrases: Sequence[Phrase]) -> None:
        lists = {language: _lists(language) for language in LANGUAGES}
        gendered = {i.code for i in load_catalogue().indicators if i.family in GENDERED}
        self._phrases = phrases
        self._expressions = [
            re.compile(_expression(parse_pattern(p.pattern, lists[p.language]), p.code not in gendered))
            for p in phrases
        ]

    def find(self, texts: Sequence[str]) -> list[list[int]]:
        """Return for each text the numbers of the phrases found in it."""
        return [self._found(fold_text(text)) for text in texts]

    def _found(self, folded: str) -> list[int]:
        return [number for number, expression in enumerate(self._expressions) if expression.search(folded)]

    def agreement(self, catalogue: Catalogue, texts: Sequence[str]) -> tuple[int, int]:
        """Return (phrases that these and the library both find, phrases that one or both find), over the texts."""
        featurise = Featuriser(catalogue)
        both = either = 0
        for text, numbers in zip(texts, self.find(texts), strict=True):
            mine = {self._phrases[number] for number in numbers}
            theirs = {match.phrase for match in featurise(text).matches}
            both, either = both + len(mine & theirs), either + len(mine | theirs)
        return both, either


def _lists(language: str) -> dict[str, Node]:
    """Return the named lists of a phrase file."""
    lists = {name: parse_list(name, names_of(name), {}) for name in ("country", "nationality")}
    table = tomllib.loads(read_sources()[f"phrases/{language}.toml"].decode())
    for name, items in table.get("lists", {}).items():
        lists[name] = parse_list(name, items, lists)
    return lists


def _expression(node: Node, both_genders: bool) -> str:
    """Return the expression of a tree; every token takes what follows it, up to the next."""
    kind, body = node
    if kind == "atom":
        return _tokens([str(body)], both_genders)
    if kind == "opt":
        return f"(?:{_expression(body, both_genders)})?"  # type: ignore[arg-type]
    if kind == "seq":
        return "".join(_expression(part, both_genders) for part in body)  # type: ignore[arg-type]
    options = list(_options(node))
    single = [str(body) for kind, body in options if kind == "atom"]
    rest = [_expression(option, both_genders) for option in options if option[0] != "atom"]
    return f"(?:{'|'.join([*([_tokens(single, both_genders)] if single else []), *rest])})"


def _options(node: Node) -> Iterator[Node]:
    """Yield the alternatives of a node, those of alternatives inside it too."""
    kind, body = node
    if kind == "alt":
        for option in body:
            yield from _options(option)  # type: ignore[arg-type]
    elif kind == "seq" and len(body) == 1:
        yield from _options(body[0])  # type: ignore[arg-type]
    else:
        yield node


def _tokens(atoms: Sequence[str], both_genders: bool) -> str:
    others = [_other(atom) for atom in atoms] if both_genders else []
    atoms = sorted({*atoms, *filter(None, others)})
    words = [_word(atom) for atom in atoms if _is_word(atom)]
    signs = [re.escape(atom) for atom in atoms if not _is_word(atom)]
    held = "|".join([*([rf"\b(?:{'|'.join(words)})\b"] if words else []), *signs])
    return f"(?:{held}){APART}"


def _other(atom: str) -> str:
    """Return the atom in the other gender; empty where the table has none."""
    stem = atom.rstrip("*")
    other = counterpart(stem)
    return other + atom[len(stem) :] if other else ""


def _is_word(atom: str) -> bool:
    return atom in (ANY, NUMBER) or atom[0].isalnum()


def _word(atom: str) -> str:
    if atom == ANY:
        return r"\w+"
    if atom == NUMBER:
        return r"\d[\d.,]*"
    return re.escape(atom[:-1]) + r"\w*" if atom.endswith("*") else re.escape(atom)
