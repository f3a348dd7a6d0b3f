"""Which atoms read which words, and the sets of atoms that words satisfy, numbered: what tells words apart for phrases.

The numbers are worked out when the catalogue is compiled.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from screening.patterns import ANY, NUMBER

Ints = NDArray[np.int32]


def is_prefix(name: str) -> bool:
    """Return whether a name of the catalogue is a prefix."""
    return len(name) > 1 and name[-1] == "*"


class Words:
    """Which atoms read which words.

    `always` are the atoms that read any token, `numbers` those that read any number.
    """

    def __init__(self, atoms: Sequence[str]) -> None:
        atoms_with: defaultdict[str, list[int]] = defaultdict(list)
        for number, atom in enumerate(atoms):
            for word in atom.split("|"):
                atoms_with[word].append(number)
        self.atoms_with = dict(atoms_with)
        self.always, self.numbers = self.atoms_with.pop(ANY), self.atoms_with.pop(NUMBER)
        self.prefix_lengths = sorted({len(word) - 1 for word in self.atoms_with if is_prefix(word)})

    def names_of(self, text: str) -> list[str]:
        """Return the words and prefixes that a token satisfies, whether or not a phrase has them."""
        if not text[0].isalpha():
            return [text]
        return [text, *(text[:n] + "*" for n in self.prefix_lengths if n <= len(text))]

    def atoms_of(self, text: str) -> set[int]:
        """Return the atoms that a token satisfies, ANY always among them."""
        atoms = set(self.always).union(*(self.atoms_with.get(name, ()) for name in self.names_of(text)))
        return atoms.union(self.numbers) if text[0].isdigit() else atoms


@functools.lru_cache(maxsize=2)
def words_of(atoms: tuple[str, ...]) -> Words:
    """Return which of some atoms read which words; not to be changed, as it is made but once."""
    return Words(atoms)


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
            satisfied = [name[:n] + "*" for n in words.prefix_lengths if n < len(name)]
        else:
            satisfied = words.names_of(name)
        found = [atom for s in satisfied for atom in words.atoms_with.get(s, ())]
        rows.append(found + words.numbers if name[0].isdigit() and not is_prefix(name) else found)
    rows += [[], words.numbers]
    name_class = [number.setdefault(tuple(sorted(set(row))), len(number)) for row in rows]
    first = np.cumsum([0, *map(len, number)])
    return (
        np.array(name_class, np.int32),
        first.astype(np.int32),
        np.array([atom for atoms in number for atom in atoms], np.int32),
    )
