"""Classes say which atoms a word satisfies, and the compiled catalogue holds them."""

from __future__ import annotations

import numpy as np

from screening.catalogue import load_catalogue
from screening.classes import classes_of, words_of
from screening.patterns import ANY, NUMBER


def sets_of(atoms: tuple[str, ...]) -> dict[str, set[int]]:
    """Return the atoms of each name; "" stands for a token without a name, "#" for a number without one."""
    name_class, first, atom = classes_of(atoms)
    names = [*words_of(atoms).atoms_with, "", "#"]
    return {name: set(atom[first[c] : first[c + 1]].tolist()) for name, c in zip(names, name_class, strict=True)}


def test_names_satisfy_their_atoms_those_of_their_beginnings_and_numbers() -> None:
    assert sets_of((ANY, NUMBER, "trabajo|trabaj*", "trab*", "24", "viaje")) == {
        "trabajo": {2, 3},
        "trabaj*": {2, 3},
        "trab*": {3},
        "24": {1, 4},
        "viaje": {5},
        "": set(),
        "#": {1},
    }


def test_the_compiled_catalogue_holds_the_classes_of_its_atoms() -> None:
    automata, atoms = load_catalogue().automata, load_catalogue().atoms
    for held, wanted in zip(
        (automata.name_class, automata.class_first, automata.class_atom), classes_of(atoms), strict=True
    ):
        assert np.array_equal(held, wanted)
    words = words_of(atoms)
    for name, found in sets_of(atoms).items():
        if name.strip("#") and name[-1] != "*":
            assert found == words.atoms_of(name) - set(words.always)
