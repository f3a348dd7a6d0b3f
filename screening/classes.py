"""Sets of atoms that words satisfy, numbered: what tells words apart for the phrases. Worked out when compiling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screening.matching import words_of

Ints = NDArray[np.int32]


def is_prefix(name: str) -> bool:
    """Return whether a name of the catalogue is a prefix."""
    return len(name) > 1 and name[-1] == "*"


def classes_of(atoms: Sequence[str]) -> tuple[Ints, Ints, Ints]:
    """Return what words and prefixes satisfy.

    Returns
    -------
    name_class
        int32 of shape (names + 2,): the class of each name in the order of `words_of(atoms).atoms_with`, then of a
        token without a name, and of a number.
    class_first, class_atom
        int32: class i has the atoms `class_atom[class_first[i]:class_first[i + 1]]`; class 0 has none.
    """
    words = words_of(tuple(atoms))
    number: dict[tuple[int, ...], int] = {(): 0}
    rows: list[list[int]] = []
    for name in words.atoms_with:
        if is_prefix(name):
            satisfied = [name[:n] + "*" for n in words._prefix_lengths if n < len(name)]
        else:
            satisfied = words.names_of(name)
        found = [atom for s in satisfied for atom in words.atoms_with.get(s, ())]
        rows.append(found + words._numbers if name[0].isdigit() and not is_prefix(name) else found)
    rows += [[], words._numbers]
    name_class = [number.setdefault(tuple(sorted(set(row))), len(number)) for row in rows]
    first = np.cumsum([0, *map(len, number)])
    return (
        np.array(name_class, np.int32),
        first.astype(np.int32),
        np.array([atom for atoms in number for atom in atoms], np.int32),
    )
