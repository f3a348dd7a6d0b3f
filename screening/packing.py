"""Compressed files: .gz, .bz2 and .xz by the standard library, .zst by pyarrow.

Packed output is a row of whole members (gzip members, bzip2 and xz streams, Zstandard frames), one
for each piece given to `pack`. Every one of these formats reads members in a row as one file, and so
a file can be cut after any member and gone on with.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import sys
import zlib
from pathlib import Path
from typing import IO, Any, cast

from screening.arrow import import_arrow

PACKINGS = (".gz", ".bz2", ".xz", ".zst")
ZSTD = "a .zst file"  # needs pyarrow


def packing_of(name: str) -> str:
    """Return the last suffix of a name if it tells a packing, otherwise "".

    >>> packing_of("posts.csv.GZ"), packing_of("posts.csv")
    ('.gz', '')
    """
    suffix = Path(name.lower()).suffix
    return suffix if suffix in PACKINGS else ""


def unpacked(raw: IO[bytes], packing: str) -> IO[bytes]:
    """Return a stream of what a packed file holds.

    Raises
    ------
    MissingExtraError
        If it is .zst and pyarrow is not installed.
    """
    if packing == ".gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if packing == ".bz2":
        return bz2.BZ2File(raw)
    if packing == ".xz":
        return cast(IO[bytes], _lzma().LZMAFile(raw))
    arrow = import_arrow(need=ZSTD)
    return io.BufferedReader(arrow.CompressedInputStream(arrow.PythonFile(raw, mode="r"), "zstd"))


def pack(data: bytes, packing: str) -> bytes:
    """Return one whole member that holds `data`; the same bytes at any time and place."""
    if packing == ".gz":
        held = io.BytesIO()
        with gzip.GzipFile("", "wb", fileobj=held, mtime=0) as stream:
            stream.write(data)
        return held.getvalue()
    if packing == ".bz2":
        return bz2.compress(data)
    if packing == ".xz":
        return cast(bytes, _lzma().compress(data))
    return cast(bytes, import_arrow(need=ZSTD).compress(data, codec="zstd", asbytes=True)) if packing else data


def damage() -> tuple[type[Exception], ...]:
    """Return the errors that reading a damaged file raises."""
    lzma = sys.modules.get("lzma")  # not every Python has it; what is not loaded raises nothing
    return (OSError, EOFError, ValueError, zlib.error, *([lzma.LZMAError] if lzma else []))


def _lzma() -> Any:
    return importlib.import_module("lzma")
