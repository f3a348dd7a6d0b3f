"""The unfinished files of one run, and when they become what was asked for.

Beside `OUT` stand `.OUT.journal`, `.OUT.part` and what else the run keeps. A checkpoint first makes the
bytes of all of them safe on disk, and then the journal, which holds their lengths. Bytes past those lengths
were written after the checkpoint: a resumed run cuts them off and writes them again. `OUT` itself is only
ever put in place whole, by a rename. A run that reads standard input or writes to a stream keeps no
journal, as it could not go on.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from screening.errors import InputError
from screening.journal import Checkpoint, Journal, beside, sync_folder
from screening.packing import pack

PASSES = {1: ("part",), 2: ("part", "kept", "flagged", "shingles")}  # what the first pass writes, by passes of a run

PIECE = 2**20  # bytes packed as one member by the second pass


class Sink(io.RawIOBase):
    """Where bytes go; all of them, or the system's error is raised. None wait to be written at close."""

    length = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how many bytes stand before the next one."""
        return self.length

    def sync(self) -> None:
        """Wait until what was written is safe, where that means something."""


class StreamSink(Sink):
    """A pipe, a device or standard output; closing it leaves the stream open."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        """Pass the bytes on at once, so that who reads a pipe sees each batch."""
        self._stream.write(data)
        self._stream.flush()
        self.length += len(data)
        return len(data)


class PackedSink(Sink):
    """A sink that packs, PIECE bytes at a time, what goes to another; closing it leaves that one open."""

    def __init__(self, sink: Sink, packing: str) -> None:
        self._sink, self._packing = sink, packing
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: Any) -> int:
        """Take the bytes, and pack what is held once it is a piece."""
        self._held.append(bytes(data))
        self._size += len(self._held[-1])
        self.length += len(self._held[-1])
        if self._size >= PIECE:
            self._pass_on()
        return len(data)

    def _pass_on(self) -> None:
        data, self._held, self._size = b"".join(self._held), [], 0
        self._sink.write(pack(data, self._packing))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:  # only a whole piece is passed on: nothing of it helps after an error
            self._pass_on()
        super().__exit__(kind, error, trace)


class PartFile(Sink):
    """An unfinished file, locked against other runs while it is open."""

    def __init__(self, path: Path, length: int = 0) -> None:
        """Open to write after the first `length` bytes, which must be there; what follows them is cut off.

        Raises
        ------
        InputError
            If the file is shorter than that, or another run is writing it.
        """
        self._path = path
        self._descriptor = -1  # close() is called also where the file cannot be opened
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            _lock(self._descriptor, path)
            if os.fstat(self._descriptor).st_size < length:
                raise InputError(f"{path} is shorter than its journal says; start over with --fresh")
            os.ftruncate(self._descriptor, length)
            os.lseek(self._descriptor, length, os.SEEK_SET)
        except BaseException:
            self.close()
            raise
        self.length = length

    def write(self, data: Any) -> int:
        """Write all of the bytes; the system may take them in pieces, as it does just before a disk is full."""
        left = memoryview(data).cast("B")
        size = len(left)
        while left:
            try:
                written = os.write(self._descriptor, left)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(self._path)) from error
            left = left[written:]
            self.length += written
        return size

    def sync(self) -> None:
        """Wait until what was written is on disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the file; it stays as it is."""
        if not self.closed:
            super().close()
            if self._descriptor >= 0:
                os.close(self._descriptor)


def _lock(descriptor: int, path: Path) -> None:
    """Keep two runs from writing one output; the system lets go of the lock when a run ends, however it ends."""
    if sys.platform == "win32":  # which itself refuses to replace a file that is open
        return
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"{path} is being written by another run; wait for it, or name another output") from None


class Workspace:
    """The files of a run; a context that leaves behind what was asked for, what can be resumed, or nothing."""

    def __init__(
        self, output: str, rejects: str | None = None, identity: Mapping[str, Any] | None = None, passes: int = 1
    ) -> None:
        """Name the files; nothing is opened yet.

        `identity` tells what a run is of; None if it could not be gone on with.
        """
        self._output, self._rejects = _file_of(output), _file_of(rejects) if rejects else None
        self._streams = {"final" if passes == 2 else "part": output, "rejects": rejects or "-"}
        self._identity = identity if self._output else None
        self._journal = Journal(self._output) if self._output else None
        self._roles = (*PASSES[passes], *(["rejects"] if rejects else []))
        self._result = "final" if passes == 2 else "part"
        self._sinks: dict[str, Sink] = {}
        self._stack = contextlib.ExitStack()
        self._folder: Path | None = None  # of what a run that writes to a stream keeps

    def open(self, resume: bool = False, fresh: bool = False) -> Checkpoint | None:
        """Open the files and return the checkpoint to go on from, None for a run from the start.

        Raises
        ------
        InputError
            If `resume` is asked for and the run cannot be gone on with; or if it is not, nor `fresh`, and
            an unfinished run is there. Nothing is changed then.
        """
        if resume and self._identity is None:
            raise InputError("--resume needs files to read again and a file to write; standard streams are gone")
        held = self._journal is not None and self._journal.exists()
        if held and not (resume or fresh):
            raise InputError(
                f"an unfinished run of {self._output} is here ({self._journal and self._journal.path}): "
                "--resume goes on with it, --fresh starts over"
            )
        kept = self._journal.read(self._identity or {}) if held and resume and self._journal is not None else None
        if kept is None or kept.state["phase"] != "done":  # what is put in place already would be made anew
            self._open_all(kept)
        return kept

    def _open_all(self, kept: Checkpoint | None) -> None:
        for role in self._roles:
            self._open(role, kept.lengths.get(role, 0) if kept else 0)
            if kept is None and self._journal is not None:
                self._journal.remove()  # only now that the first file is locked, and empty

    def _open(self, role: str, length: int = 0) -> Sink:
        path = self.path(role)
        sink = PartFile(path, length) if path else StreamSink(self._stream(self._streams[role]))
        self._sinks[role] = self._stack.enter_context(contextlib.closing(sink))
        return sink

    def _stream(self, target: str) -> IO[bytes]:
        return sys.stdout.buffer if target == "-" else self._stack.enter_context(open(target, "wb"))

    def path(self, role: str) -> Path | None:
        """Return the path of an unfinished file; None for what goes straight to a stream."""
        if role == "rejects":
            return beside(self._rejects, "part") if self._rejects else None
        if self._output is not None:
            return beside(self._output, role)
        if role == self._result:
            return None
        if self._folder is None:
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="screening-")))
        return self._folder / role

    def staged(self, role: str) -> Path:
        """Return the path of a file that the second pass reads; there is one for each."""
        path = self.path(role)
        if path is None:
            raise ValueError(f"{role} goes straight to a stream; only a run of two passes keeps it")
        return path

    def write(self, role: str, data: bytes) -> None:
        """Write to one of the files."""
        self._sinks[role].write(data)

    def length(self, role: str) -> int:
        """Return how many bytes one of the files has."""
        sink = self._sinks.get(role)
        return sink.length if sink else 0

    def final(self) -> Sink:
        """Return where the second pass writes, empty."""
        return self._open("final")

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Make all that was written safe, and note in the journal that it is."""
        if self._identity is None or self._journal is None:
            return
        for sink in self._sinks.values():
            sink.sync()
        lengths = {role: sink.length for role, sink in self._sinks.items()}
        self._journal.write(self._identity, Checkpoint(lengths, state))

    def publish(self, state: Mapping[str, Any]) -> None:
        """Put the result and the rejects in place; killed in the middle, a resumed run does the rest."""
        self.checkpoint(state)
        for sink in self._sinks.values():
            sink.sync()
        self._close()
        for target, part in ((self._output, self._result), (self._rejects, "rejects")):
            path = self.path(part) if target else None
            if target and path and path.exists():
                path.replace(target)
                sync_folder(target.parent)
        self._remove((*self._roles, self._result))

    def _close(self) -> None:
        for sink in self._sinks.values():
            sink.close()

    def _remove(self, roles: Iterable[str]) -> None:
        """Remove what is unfinished: the journal first, as without the files it would promise too much."""
        if self._journal is not None:
            self._journal.remove()
        for role in roles:
            path = self.path(role)
            if path is not None:
                path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        if error is not None and self._sinks:
            # What counts is the journal on disk: an interrupt may come between its rename and the next statement.
            if self._journal is not None and self._identity is not None and self._journal.exists():
                rows = self._journal.read(self._identity).state["rows"]
                error.add_note(f"{rows:,} rows are done and kept; the same command with --resume goes on from there")
            else:
                self._remove(self._sinks)
        self._stack.close()


def _file_of(target: str) -> Path | None:
    """Return the file that a target names, whether it is there or not; None for a stream or a device."""
    path = Path(os.path.realpath(target))
    return None if target == "-" or (path.exists() and not path.is_file()) else path
