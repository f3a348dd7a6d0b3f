"""The journal of a run: how far its unfinished files can be trusted, and what it was a run of.

A journal is replaced whole, by a new file renamed over the old one, so a torn one is never met. No
posting's text is in it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from screening.errors import InputError

FORMAT = 1  # of the journal; one of another format is refused


@dataclass(frozen=True)
class Checkpoint:
    """How far a run is. `lengths` are those of its part files, by role; `state` is plain JSON."""

    lengths: Mapping[str, int] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """The journal of the run that writes one output."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self.path = beside(output, "journal")

    def exists(self) -> bool:
        """Return whether a run left its journal here."""
        return self.path.exists()

    def read(self, identity: Mapping[str, Any]) -> Checkpoint:
        """Return the last checkpoint.

        Raises
        ------
        InputError
            If the journal is of another format, or the run it is of had another identity: other inputs,
            options or model. The message says what differs.
        """
        try:
            held = json.loads(self.path.read_text("utf-8"))
            if held["format"] != FORMAT:
                raise InputError(f"{self.path} has format {held['format']!r}, not {FORMAT}; start over with --fresh")
            before, checkpoint = held["identity"], Checkpoint(held["lengths"], held["state"])
        except (ValueError, LookupError, TypeError) as error:
            raise InputError(f"{self.path} is not a journal of ours; start over with --fresh") from error
        if changed := _differences(before, _plain(identity)):
            raise InputError(
                f"cannot go on with {self._output}: {'; '.join(changed)}. Start over with --fresh, or put it back"
            )
        return checkpoint

    def write(self, identity: Mapping[str, Any], checkpoint: Checkpoint) -> None:
        """Replace the journal; after a crash at any moment either the old or the new one is there, and whole."""
        held = {
            "format": FORMAT,
            "identity": identity,
            "lengths": dict(checkpoint.lengths),
            "state": dict(checkpoint.state),
        }
        fresh = self.path.with_name(self.path.name + ".new")
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump(held, stream, ensure_ascii=True)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self.path)
        sync_folder(self.path.parent)

    def remove(self) -> None:
        """Remove the journal, and one that was never put in place."""
        self.path.unlink(missing_ok=True)
        self.path.with_name(self.path.name + ".new").unlink(missing_ok=True)


def beside(output: Path, role: str) -> Path:
    """Return the path of an unfinished file of an output; the dot keeps it out of `*` and of folders read."""
    return output.with_name(f".{output.name}.{role}")


def sync_folder(folder: Path) -> None:
    """Wait until names put into a folder are safe, where the system lets one ask for it."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what differs in words: options by name, inputs by file."""
    found = []
    for key in dict.fromkeys([*before, *now]):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if key == "inputs":
            found.append(_changed_input(old or [], new or []))
        elif key == "options" and old and new:
            names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
            found += [f"{name} was {old.get(name)!r} and is now {new.get(name)!r}" for name in names]
        else:
            found.append(f"the {key} changed")
    return found


def _changed_input(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> str:
    if [entry["file"] for entry in old] != [entry["file"] for entry in new]:
        return "the input files are not those it was begun with"
    changed = next(a["file"] for a, b in zip(old, new, strict=True) if a != b)
    return f"the input {changed} changed"
