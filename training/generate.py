"""Matched texts for training: an invented lure, its honest twin, and the same lure retold.

The three differ only in the lure, share places, sums and roles (the slots), and get the same
surface noise, so that neither length, spelling, emoji nor subject tells them apart.
No figure is ever quoted on these texts: they teach, they do not test.
"""

from __future__ import annotations

import random
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Any

import pandas as pd

from training.corpus import COLUMNS

ROLES = {"lure": 1, "honest": 0, "framed": 0}
PLAIN = {"plain": 0}  # everyday texts without a lure to be matched with
COPIES = 4  # fillings of one triple

_SLOT = re.compile(r"\{(\w+)\}")


class PairError(ValueError):
    """Raised when a file of triples is wrong; names the file and the triple."""


def generated(copies: int = COPIES, seed: int = 0) -> pd.DataFrame:
    """Return the generated texts, with the corpus' columns: three for each copy of a triple, one of a plain text."""
    rows = []
    for path in sorted((resources.files("training") / "data" / "pairs").iterdir(), key=lambda p: p.name):
        if path.name.endswith(".toml"):
            rows += list(_file_rows(path.name, tomllib.loads(path.read_text("utf-8")), copies, seed))
    return pd.DataFrame(rows, columns=COLUMNS).drop_duplicates("text", ignore_index=True)


def _file_rows(name: str, table: Mapping[str, Any], copies: int, seed: int) -> Iterator[dict[str, object]]:
    slots = table.get("slots", {})
    entries = [*table.get("triple", []), *map(_as_entry, table.get("plain", []))]
    for number, triple in enumerate(entries):
        roles = _check(name, number, triple, slots)
        needed = copies if any(_SLOT.search(triple[role]) for role in roles) else min(copies, 2)
        for copy in range(needed):
            rng = random.Random(f"{seed}:{name}:{number}:{copy}")
            fill = {slot: rng.choice(values) for slot, values in slots.items()}
            noise = draw_noise(rng) if copy else str
            for role, label in roles.items():
                yield {
                    "id": f"generated:{name}:{number}:{copy}:{role}",
                    "text": noise(_SLOT.sub(lambda m, fill=fill: fill[m.group(1)], triple[role])),
                    "label": label,
                    "kind": f"generated-{role}",
                    "language": name[:2],
                    "form": triple["form"],
                    "source": f"generated:{triple['type']}",
                    "group": f"generated:{name}:{number}",
                    "train": True,
                }


def _as_entry(plain: Mapping[str, str]) -> dict[str, str]:
    return {"type": plain.get("kind", ""), "form": "plain", "plain": plain.get("text", "")}


def _check(name: str, number: int, entry: Mapping[str, str], slots: Mapping[str, list[str]]) -> dict[str, int]:
    """Return the roles of an entry and their labels."""
    roles = PLAIN if entry.get("form") == "plain" else ROLES
    if set(entry) != {"type", "form", *roles} or not all(entry.values()):
        raise PairError(f"{name}: entry {number}: wants type, form, {', '.join(roles)}; has {sorted(entry)}")
    for role in roles:
        if unknown := sorted({s for s in _SLOT.findall(entry[role]) if s not in slots}):
            raise PairError(f"{name}: entry {number}: {role} uses slots that are not there: {unknown}")
    return roles


def draw_noise(rng: random.Random) -> Callable[[str], str]:
    """Return one way of writing carelessly, to be given to all texts of a triple alike."""
    steps: list[Callable[[str], str]] = []
    if rng.random() < 0.35:
        steps.append(drop_accents)
    if rng.random() < 0.2:
        steps.append(str.lower)
    elif rng.random() < 0.08:
        steps.append(str.upper)
    if rng.random() < 0.3:
        steps.append(lambda text: text.rstrip(".!"))
    if rng.random() < 0.15:
        steps.append(lambda text: re.sub(r"[,;:]", "", text))

    def noise(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return noise


def drop_accents(text: str) -> str:
    """Return the text as typed on a phone without accents; ñ is kept, as most people keep it."""
    pieces = (c if c in "ñÑ" else unicodedata.normalize("NFD", c)[0] for c in unicodedata.normalize("NFC", text))
    return "".join(pieces)
