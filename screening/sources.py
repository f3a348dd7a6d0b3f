"""Which files to read: names, folders and patterns made into one list, and what tells that a file is still the same."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from screening.errors import InputError
from screening.inputs import FORMATS
from screening.packing import packing_of

SAMPLE = 2**20  # bytes at either end of a file that are hashed to tell whether it changed


def expand(names: Sequence[str], targets: Iterable[str | None]) -> list[str]:
    """Return the files that names, folders and glob patterns stand for, each once and in sorted order for each name.

    A folder stands for the files below it whose suffix tells a format. What a folder or a pattern finds
    leaves out the `targets` of this run and, as Spark and Hive do, all names that start with a dot or an
    underscore: our own unfinished files are among them. A file given by name is taken as it is.

    Raises
    ------
    InputError
        If a folder or a pattern finds no file to read.
    """
    ours = {os.path.realpath(target) for target in targets if target not in (None, "-")}
    files: dict[str, None] = {}
    for name in names:
        found = _found(name)
        if found is None:
            files[name] = None
            continue
        wanted = [path for path in found if os.path.realpath(path) not in ours]
        if not wanted:
            raise InputError(f"{name}: no file here ends in {', '.join(FORMATS)}, plain or packed; nothing to read")
        files.update(dict.fromkeys(wanted))
    return list(files)


def _found(name: str) -> list[str] | None:
    """Return the files of a folder or a pattern, sorted; None for the name of a file."""
    if os.path.isdir(name):
        return sorted(_below(name))
    if name == "-" or os.path.exists(name) or not glob.has_magic(name):
        return None
    matches = (path for path in glob.iglob(name, recursive=True) if os.path.isfile(path))
    return sorted(path for path in matches if not _is_private(os.path.basename(path)))


def _below(folder: str) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not _is_private(name)]
        yield from (os.path.join(place, name) for name in files if _is_table(name))


def _is_private(name: str) -> bool:
    return name.startswith((".", "_"))


def _is_table(name: str) -> bool:
    return not _is_private(name) and Path(name.lower().removesuffix(packing_of(name))).suffix in FORMATS


def size_of(files: Iterable[str]) -> int | None:
    """Return the bytes of all files together; None where one has no size, as standard input or a pipe."""
    if not all(is_rereadable(file) for file in files):
        return None
    return sum(os.path.getsize(file) for file in files)


def is_rereadable(file: str) -> bool:
    """Return whether a file can be read a second time."""
    return file != "-" and os.path.isfile(file)


def identity(file: str) -> dict[str, Any]:
    """Return what tells whether a file is still the same, without reading all of it."""
    with open(file, "rb") as stream:
        status = os.fstat(stream.fileno())
        return {
            "file": file,
            "size": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "sha256_ends": _hash_of_ends(stream, status.st_size),
        }


def _hash_of_ends(stream: IO[bytes], size: int) -> str:
    digest = hashlib.sha256(stream.read(SAMPLE))
    stream.seek(max(0, size - SAMPLE))
    digest.update(stream.read(SAMPLE))
    return digest.hexdigest()
