"""The fold: what it makes of each kind of character, and that places in it lead back to the original."""

from __future__ import annotations

import json
import string
import time
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from screening.errors import CatalogueError
from screening.fold import _lookalikes, _read_row, fold, fold_text

CASES: dict[str, Any] = json.loads((Path(__file__).parent / "cases" / "fold.json").read_text(encoding="utf-8"))
ALL_UNICODE = range(0x110000)
LETTERS = (
    string.ascii_lowercase
    + "\N{LATIN SMALL LETTER N WITH TILDE}"
    + unicodedata.normalize("NFC", "a\u0301e\u0301i\u0301o\u0301u\u0301a\u0303o\u0303c\u0327")
)
# The 13 mathematical alphabets, 52 letters each from U+1D400; their holes are filled by letters of U+21xx.
MATHEMATICAL_STYLES = 13
ENCLOSED_LETTERS = {
    "circled capital": 0x24B6,
    "circled small": 0x24D0,
    "fullwidth capital": 0xFF21,
    "fullwidth small": 0xFF41,
    "negative circled": 0x1F150,
    "negative squared": 0x1F170,
    "parenthesised capital": 0x1F110,
    "parenthesised small": 0x249C,
    "regional indicator": 0x1F1E6,
    "squared": 0x1F130,
}
TEN_MEGABYTES = 10_000_000
# A bound on the order of growth, not a benchmark: the slowest takes about 1 s on one core.
SECONDS_FOR_TEN_MEGABYTES = 10

# Every code point, lone surrogates too; and texts dense in what expands, vanishes or comes in pieces.
any_text = st.text(st.characters(exclude_categories=()))
awkward_text = st.text(
    st.sampled_from("aZ1 \r\n\N{ZERO WIDTH SPACE}\N{COMBINING TILDE}\N{LATIN SMALL LETTER SHARP S}")
    | st.sampled_from("\N{VULGAR FRACTION ONE HALF}\N{FIRE}\N{SOFT HYPHEN}\N{INVERTED QUESTION MARK}]^\\-")
)
latin_1_text = st.text(st.characters(max_codepoint=0xFF))
texts = any_text | awkward_text | latin_1_text


@pytest.fixture(scope="module")
def folded_alphabet() -> set[str]:
    """Collect every code point that folding any text can give."""
    return {char for code in ALL_UNICODE for char in fold_text(chr(code))}


def split(letter: str) -> tuple[str, str]:
    """Part a letter into its base and its combining marks."""
    decomposed = unicodedata.normalize("NFD", letter)
    return decomposed[0], decomposed[1:]


def named(rows: list[dict[str, Any]]) -> list[Any]:
    """Turn rows of the case file into parameters under their own sentences."""
    return [pytest.param(row, id=row["id"]) for row in rows]


@pytest.mark.parametrize("case", named(CASES["folds"]))
def test_text_folds_as_listed(case: dict[str, Any]) -> None:
    assert fold_text(case["text"]) == case["folded"]


@pytest.mark.parametrize("case", named(CASES["spans"]))
def test_span_leads_back_to_the_original(case: dict[str, Any]) -> None:
    assert fold(case["text"]).original_span(case["start"], case["end"]) == tuple(case["original"])


@pytest.mark.parametrize("script", ["cyrillic", "greek"])
def test_each_letter_has_a_look_alike_or_is_listed_as_having_none(script: str) -> None:
    listed = CASES["scripts"][script]
    assert sorted([*listed["lookalikes"], *listed["none"]]) == list(string.ascii_lowercase)
    for letter, lookalike in listed["lookalikes"].items():
        assert unicodedata.name(lookalike).startswith(script.upper())
        assert fold_text(lookalike) == letter


@pytest.mark.parametrize("style", range(MATHEMATICAL_STYLES))
@pytest.mark.parametrize("letter", LETTERS)
def test_mathematical_letter_folds_as_the_letter(letter: str, style: int) -> None:
    base, marks = split(letter)
    first = 0x1D400 + 52 * style + ord(base) - ord("a")
    styled = [chr(code) for code in (first, first + 26) if unicodedata.category(chr(code)) != "Cn"]
    assert {fold_text(char + marks) for char in styled} <= {base}
    assert fold_text(letter) == base


@pytest.mark.parametrize("first", ENCLOSED_LETTERS.values(), ids=ENCLOSED_LETTERS.keys())
@pytest.mark.parametrize("letter", LETTERS)
def test_enclosed_and_wide_letter_folds_as_the_letter(letter: str, first: int) -> None:
    base, marks = split(letter)
    assert fold_text(chr(first + ord(base) - ord("a")) + marks) == fold_text(letter) == base


def test_letterlike_symbols_that_fill_the_mathematical_holes_fold_as_the_letter() -> None:
    holes = {"\u210e": "h", "\u212c": "b", "\u2130": "e", "\u2131": "f", "\u210b": "h", "\u2110": "i"}
    holes |= {"\u2112": "l", "\u2133": "m", "\u211b": "r", "\u212f": "e", "\u210a": "g", "\u2134": "o"}
    holes |= {"\u212d": "c", "\u210c": "h", "\u2111": "i", "\u211c": "r", "\u2128": "z", "\u2102": "c"}
    holes |= {"\u210d": "h", "\u2115": "n", "\u2119": "p", "\u211a": "q", "\u211d": "r", "\u2124": "z"}
    assert {hole: fold_text(hole) for hole in holes} == holes


def test_ascii_changes_in_case_and_control_characters_only() -> None:
    printable = "".join(map(chr, range(0x20, 0x7F)))
    assert fold_text(printable) == printable.lower()


def test_whatever_folding_gives_folds_to_itself(folded_alphabet: set[str]) -> None:
    assert {char for char in folded_alphabet if fold_text(char) != char} == set()


def test_no_mark_invisible_character_surrogate_or_foreign_digit_is_left(folded_alphabet: set[str]) -> None:
    kept = {char for char in folded_alphabet if not char.isascii()}
    assert {unicodedata.category(char) for char in kept} & {"Mn", "Me", "Cf", "Cc", "Cs", "Nd"} == set()


def test_every_space_and_line_break_is_the_plain_one(folded_alphabet: set[str]) -> None:
    assert {char for char in folded_alphabet if char.isspace()} == {" ", "\n"}


def test_surrogate_pair_in_two_code_points_is_two_spaces() -> None:
    assert fold_text(chr(0xD83D) + chr(0xDD25)) == "  "  # JSON would join the pair, so no row in the case file


@given(texts)
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold_text(fold_text(text)) == fold_text(text)


@given(texts)
def test_both_functions_give_the_same_text(text: str) -> None:
    assert fold(text).text == fold_text(text)


@given(texts)
def test_text_folds_code_point_by_code_point(text: str) -> None:
    assert fold_text(text) == "".join(map(fold_text, text))


@given(texts)
def test_offsets_rise_within_the_original_and_name_the_source(text: str) -> None:
    folded = fold(text)
    assert folded.original_length == len(text)
    assert len(folded.offsets) == len(folded.text)
    assert all(a <= b for a, b in pairwise(folded.offsets))
    for char, offset in zip(folded.text, folded.offsets, strict=True):
        assert char in fold_text(text[offset])


@given(texts)
def test_offsets_are_a_range_exactly_where_nothing_vanishes_or_expands(text: str) -> None:
    identity = all(len(fold_text(char)) == 1 for char in text)
    assert isinstance(fold(text).offsets, range) is identity


@given(texts, st.data())
def test_original_span_folds_to_text_that_holds_the_slice(text: str, data: st.DataObject) -> None:
    folded = fold(text)
    if not folded.text:
        return
    start = data.draw(st.integers(0, len(folded.text) - 1))
    end = data.draw(st.integers(start + 1, len(folded.text)))
    first, stop = folded.original_span(start, end)
    assert 0 <= first < stop <= len(text)
    assert folded.text[start:end] in fold_text(text[first:stop])


@pytest.mark.parametrize("span", [(0, 0), (2, 1), (-1, 2), (0, 5), (4, 5)])
def test_empty_or_outlying_span_is_refused(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not a non-empty range within the 4 folded"):
        fold("hola").original_span(*span)


def test_empty_text_has_no_span() -> None:
    folded = fold("")
    assert (folded.text, list(folded.offsets), folded.original_length) == ("", [], 0)
    with pytest.raises(ValueError, match="non-empty"):
        folded.original_span(0, 0)


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param("Trabajo facil, ", id="ASCII"),
        pytest.param("Se\N{LATIN SMALL LETTER N WITH TILDE}oritas, ¿qué esperan? ", id="Latin-1"),
        pytest.param("Se\N{LATIN SMALL LETTER N WITH TILDE}oritas \N{FIRE}\N{VARIATION SELECTOR-16} ¡ya! ", id="emoji"),
        pytest.param("\N{ZERO WIDTH SPACE}\N{LATIN SMALL LETTER SHARP S}", id="nothing but uneven characters"),
    ],
)
def test_ten_megabytes_fold_in_seconds(unit: str) -> None:
    text = unit * (TEN_MEGABYTES // len(unit.encode()))
    start = time.perf_counter()
    folded = fold(text)
    assert time.perf_counter() - start < SECONDS_FOR_TEN_MEGABYTES
    assert folded.original_span(0, len(folded.text))[1] <= len(text)


def test_targets_of_the_table_are_folded_themselves_and_leave_ascii_alone() -> None:
    rows = _lookalikes()
    assert len(rows) > 1000
    assert not any(char.isascii() for char in rows)
    assert {target for target in rows.values() if fold_text(target) != target} == set()


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("0430\ta", id="too few fields"),
        pytest.param("0041\tb\tASCII", id="an ASCII code point"),
        pytest.param("110000\ta\tbeyond Unicode", id="beyond Unicode"),
        pytest.param("0430 0431\ta\ttwo", id="two code points"),
        pytest.param("0430\tA\tcapital", id="a capital target"),
        pytest.param("0430\t\tnothing", id="an empty target"),
        pytest.param("0430\t\N{CYRILLIC SMALL LETTER A}\tnot ASCII", id="a target outside ASCII"),
    ],
)
def test_wrong_row_is_refused_with_its_place(line: str) -> None:
    with pytest.raises(CatalogueError, match=r"confusables\.tsv line 7: "):
        _read_row(line, "confusables.tsv line 7")
