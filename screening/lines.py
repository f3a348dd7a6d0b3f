"""CSV and JSONL: rows out of lines of text, of which a wrong one costs no other."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator
from typing import IO, Any

from screening.errors import InputError
from screening.rows import Opened, Position, Reject, Row, Table, guarded

FIELD_LIMIT = 16 * 2**20  # characters of one CSV field; no posting comes near, an unclosed quote soon does
LINE_LIMIT = 4 * FIELD_LIMIT  # bytes of one line
NOT_UTF8 = "not valid UTF-8"
NOT_UTF8_HELP = "save the file as UTF-8 (from Latin-1: iconv -f WINDOWS-1252 -t UTF-8 FILE)"
HAS_NUL = "holds a NUL character"

_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of a wrong byte
_UTF16 = ("\udcff\udcfe", "\udcfe\udcff")


class _Lines(Iterator[str]):
    """The lines of a stream, decoded; wrong bytes become lone surrogates, so that only their row is lost.

    Counts lines and bytes. Since `start_row` it counts the quotes too (inside a quoted CSV field their
    number is odd), and notes whether a line was cut, had bytes that are not UTF-8, or a NUL.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.number = self.offset = self.quotes = 0
        self.cut = self.wrong = self.nul = False
        self._lines = self._decoded()

    def __iter__(self) -> Iterator[str]:
        return self._lines

    def __next__(self) -> str:
        return next(self._lines)

    def _decoded(self) -> Iterator[str]:
        """Yield the lines; as a generator, which costs half of what a call for each line does."""
        readline = self._stream.readline
        while line := readline(LINE_LIMIT):
            self.number += 1
            self.offset += len(line)
            self.quotes += line.count(b'"')
            if b"\0" in line:
                self.nul = True
            if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
                self._drop_rest()
            codec = "utf-8-sig" if self.number == 1 else "utf-8"
            try:
                text = line.decode(codec)
            except UnicodeDecodeError:
                self.wrong = True
                text = line.decode(codec, "surrogateescape")
            yield text

    def _drop_rest(self) -> None:
        self.cut = True
        rest = b"more"
        while rest and not rest.endswith(b"\n"):
            rest = self._stream.readline(LINE_LIMIT)
            self.offset += len(rest)
            self.quotes += rest.count(b'"')

    def start_row(self) -> int:
        """Forget the last row; return the line at which the next one starts."""
        self.quotes, self.cut, self.wrong, self.nul = 0, False, False, False
        return self.number + 1

    def skip_quoted(self) -> bool:
        """Skip to the end of a quoted field given up in the middle; False if it never ends."""
        while self.quotes % 2:
            if next(self, None) is None:
                return False
        return True

    def tell(self) -> Position:
        return Position(self.offset, self.number)

    def skip_to(self, position: Position) -> None:
        """Go on from a position at or after this one; a packed stream can only be read up to it."""
        if isinstance(self._stream, io.BufferedReader) and self._stream.seekable():
            self._stream.seek(position.offset)
        else:
            self._read_to(position.offset)
        self.offset, self.number = position

    def _read_to(self, offset: int) -> None:
        left = offset - self.offset
        while left and (skipped := len(self._stream.read(min(left, 2**20)))):
            left -= skipped


def read_csv(opened: Opened, start: Position) -> Table:
    """Return the table of a CSV file, from a position on."""
    csv.field_size_limit(FIELD_LIMIT)
    name, lines = opened.name, _Lines(opened.unpacked())
    first = next(lines, "")
    if first.startswith(_UTF16):
        raise _utf16(name)
    delimiter = max(",;\t", key=first.count)  # spreadsheets in Spanish and Portuguese write semicolons
    reader = csv.reader(itertools.chain([first] if first else [], lines), strict=True, delimiter=delimiter)
    columns = _header(reader, name)
    if start.place:
        lines.skip_to(start)
    rows = guarded(_csv_rows(reader, lines, columns, name), name)
    return Table(name, rows, columns, delimiter, tell=lines.tell, consumed=opened.consumed(lines.tell))


def _utf16(name: str) -> InputError:
    return InputError(f"{name} is UTF-16, not UTF-8; save it as UTF-8")


def _header(reader: Iterator[list[str]], name: str) -> tuple[str, ...]:
    try:
        columns = tuple(next(reader, ()))
    except csv.Error as error:
        raise InputError(f"{name}: the header line is not CSV: {error}") from error
    if not any(columns):
        raise InputError(f"{name} is empty or starts with an empty line; a CSV file starts with a line of column names")
    if any(_NOT_UTF8.search(c) or "\0" in c for c in columns):
        raise InputError(f"{name}: the header line is not UTF-8 text; {NOT_UTF8_HELP}")
    if twice := sorted({c for c in columns if columns.count(c) > 1}):
        raise InputError(f"{name}: columns given twice: {', '.join(map(repr, twice))}; rename one of each")
    return columns


def _csv_rows(
    reader: Iterator[list[str]], lines: _Lines, columns: tuple[str, ...], name: str
) -> Iterator[Row | Reject]:
    while True:
        place = lines.start_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Reject(name, "line", place, _csv_reason(error, lines))
            continue
        if not cells:
            continue  # a blank line is no row
        reason = _cells_reason(cells, columns, lines)
        yield Reject(name, "line", place, reason) if reason else Row(place, dict(zip(columns, cells, strict=True)))


def _csv_reason(error: csv.Error, lines: _Lines) -> str:
    if "field limit" not in str(error):
        return f"not CSV: {error}"
    closed = lines.skip_quoted()
    return f"a field is longer than {FIELD_LIMIT} characters" + ("" if closed else "; a quote opened here never closes")


def _cells_reason(cells: list[str], columns: tuple[str, ...], lines: _Lines) -> str | None:
    if lines.cut:
        return f"the line is longer than {LINE_LIMIT} bytes"
    if len(cells) != len(columns):
        return f"{len(cells)} fields where the header has {len(columns)}"
    if lines.wrong:
        return NOT_UTF8
    return HAS_NUL if lines.nul else None


def read_jsonl(opened: Opened, start: Position) -> Table:
    """Return the table of a JSONL file, from a position on."""
    name, lines = opened.name, _Lines(opened.unpacked())
    if start.place:
        lines.skip_to(start)
    rows = guarded(_jsonl_rows(lines, name), name)
    return Table(name, rows, tell=lines.tell, consumed=opened.consumed(lines.tell))


def _jsonl_rows(lines: _Lines, name: str) -> Iterator[Row | Reject]:
    for line in lines:
        place = lines.number
        if place == 1 and line.startswith(_UTF16):
            raise _utf16(name)
        if not line.strip() and not lines.cut:
            continue
        values = _parse_json(line, lines)
        lines.start_row()
        yield Reject(name, "line", place, values) if isinstance(values, str) else Row(place, values)


def _parse_json(line: str, lines: _Lines) -> dict[str, Any] | str:
    """Return the object of a line, or the reason why there is none."""
    if lines.cut:
        return f"the line is longer than {LINE_LIMIT} bytes"
    if lines.wrong:
        return NOT_UTF8
    try:
        values = _JSON.decode(line)
        if "\\u" in line and _HALF_PAIR.search(line):
            json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "half a surrogate pair in an escape"
    except (ValueError, RecursionError):
        return "invalid JSON"
    return values if isinstance(values, dict) else f"a JSON {type(values).__name__}, not an object"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)
