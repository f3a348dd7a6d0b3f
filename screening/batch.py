"""The engine of `screening score`: rows in, scored a batch at a time, rows out, in memory that does not grow.

A run is a fixed series of batches: of BATCH_ROWS rows or BATCH_SIZE, of one input each, and
after some of them a checkpoint. Where one ends depends on the input alone, never on time, and nothing is
carried from one to the next but what a checkpoint holds. So a run that was killed and resumed writes the
bytes that an undisturbed one does.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from screening import __version__
from screening.campaigns import Campaigns, ShingleFile, shingles_of
from screening.fast import LEVELS
from screening.inputs import Postings, open_table, postings
from screening.journal import Checkpoint
from screening.outputs import CsvWriter, JsonlWriter, Writer, make_writer
from screening.packing import pack, packing_of
from screening.progress import Progress, Tally
from screening.rows import Position, Reject, Row, Table
from screening.scorers import NO_OPINION, Scorer, Verdict
from screening.secondpass import FLAGGED, KEPT, Best, Choice, Staged, finish_parquet, finish_text, records_in
from screening.sources import identity as identity_of
from screening.sources import is_rereadable
from screening.workspace import Workspace

BATCH_ROWS = 250  # more of them score no faster, and a row takes some ten times its size at the peak
BATCH_SIZE = 2_000_000  # characters of text, or bytes of the input
CHECKPOINT_ROWS = 20_000  # rows scored again, at most, after a kill: under a second of the compiled path
CHECKPOINT_BYTES = 64 * 2**20
START = Position()

Item = tuple[Row, str] | Reject


@dataclass(frozen=True)
class Plan:
    """What a run is asked to do.

    `kind` is the output's format. `format` and `text` are as for `open_table` and `postings`; `prefix` and
    `guard` as for `make_writer`. `min_level` and `top` choose the rows that are written; `campaigns` adds the
    columns campaign and copies to those of level "review" and above.
    """

    sources: tuple[str, ...]
    kind: str
    output: str = "-"
    rejects: str | None = None
    format: str | None = None
    text: str | None = None
    prefix: str = ""
    guard: bool = True
    min_level: str = "low"
    top: int | None = None
    campaigns: bool = False
    checkpoint_rows: int = CHECKPOINT_ROWS

    @property
    def passes(self) -> int:
        """Return 2 where what a row becomes, or whether it stays, is known only after the last row."""
        return 2 if self.top or self.campaigns or self.kind == "parquet" else 1

    @property
    def extra(self) -> tuple[str, ...]:
        """Return the names of the columns that the second pass adds."""
        return (self.prefix + "campaign", self.prefix + "copies") if self.campaigns else ()

    def options(self) -> dict[str, Any]:
        """Return what must be the same when a run is resumed, by the names of the command line."""
        return {
            "--format": self.format,
            "output format": self.kind,
            "--rejects": self.rejects and os.path.realpath(self.rejects),
            "--text": self.text,
            "--prefix": self.prefix,
            "--no-guard": not self.guard,
            "--min-level": self.min_level,
            "--top": self.top,
            "--near-duplicates": self.campaigns,
            "--checkpoint-rows": self.checkpoint_rows,
        }


def batches(
    items: Iterable[Item], rows: int = BATCH_ROWS, tell: Callable[[], Position] = Position
) -> Iterator[list[Item]]:
    """Yield items in lists of `rows`; fewer where their texts, or what `tell` says was read, reach BATCH_SIZE."""
    held: list[Item] = []
    size, begun = 0, tell().offset
    for item in items:
        held.append(item)
        size += 0 if isinstance(item, Reject) else len(item[1])
        if len(held) >= rows or size >= BATCH_SIZE or tell().offset - begun >= BATCH_SIZE:
            yield held
            held, size, begun = [], 0, tell().offset
    if held:
        yield held


def scored(scorer: Scorer, batch: list[Item]) -> Iterator[tuple[Item, Verdict]]:
    """Yield each item of a batch with its verdict (a reject's says nothing); the texts are scored in one call."""
    verdicts = iter(scorer.score([item[1] for item in batch if not isinstance(item, Reject)]))
    return ((item, NO_OPINION if isinstance(item, Reject) else next(verdicts)) for item in batch)


class Run:
    """One run of a plan, in the files of a workspace."""

    def __init__(self, plan: Plan, scorer: Scorer, space: Workspace, progress: Progress) -> None:
        self.tally = Tally()
        self._plan, self._scorer, self._space, self._progress = plan, scorer, space, progress
        self._writer: Writer = make_writer(plan.kind, plan.prefix, plan.guard, plan.extra)
        self._best = Best(plan.top) if plan.top else None
        self._kept: list[tuple[int, float]] = []  # of the batch
        self._flagged: list[tuple[int, int]] = []
        self._shingles: list[bytes] = []
        self._headed = False  # whether what stands before the first row was written
        self._source, self._start = 0, START
        self._column: str | None = None
        self._seen: list[str] = []
        self._before = 0  # bytes of the inputs read to their end
        self._rows_since = self._bytes_since = 0

    def go(self, checkpoint: Checkpoint | None = None) -> Tally:
        """Do all of it, or what a checkpoint left to do, and return the counts."""
        phase = self._restore(checkpoint.state) if checkpoint else "scoring"
        if phase == "scoring":
            self._score_all()
            self._end_first_pass()
        if phase != "done" and self._plan.passes == 2:
            self._progress.stage("finishing")
            self._second_pass()
        self._space.publish(self._state("done"))
        self._progress.finish(self.tally, self._before, self._notes())
        return self.tally

    def _notes(self) -> list[str]:
        notes = []
        if self._scorer.looks_twice:
            share = self.tally.twice / max(1, self.tally.levels.total())
            notes.append(f"looked twice at {self.tally.twice:,} ({share:.1%})")
        if self._plan.campaigns:
            notes.append(f"{self.tally.campaigns:,} campaigns among {self.tally.flagged:,} flagged")
        return notes

    # --- what a checkpoint holds

    def _state(self, phase: str, position: Position = START, items: Postings | None = None) -> dict[str, Any]:
        return {
            "phase": phase,
            "rows": self.tally.rows,
            "source": self._source,
            "position": position,
            "column": items and items.column,
            "seen": list(items.seen) if items else [],
            "before": self._before,
            "headed": self._headed,
            "tally": self.tally.to_dict(),
            "writer": self._writer.state(),
        }

    def _restore(self, state: Mapping[str, Any]) -> str:
        self.tally = Tally.from_dict(state["tally"])
        self._writer.restore(state["writer"])
        self._source, self._start = state["source"], Position(*state["position"])
        self._column, self._seen = state["column"], state["seen"]
        self._before, self._headed = state["before"], state["headed"]
        self._progress.begin(self.tally, self._before + self._start.offset)
        path = self._space.path("kept")
        if self._best is not None and path is not None and state["phase"] != "done":
            for records in records_in(path, KEPT, self._space.length("kept")):
                for logit, number in zip(records["logit"].tolist(), records["number"].tolist(), strict=True):
                    if self._best.admits(logit, number):
                        self._best.add(logit, number)
        return str(state["phase"])

    def _checkpoint(self, position: Position, items: Postings) -> None:
        self._space.checkpoint(self._state("scoring", position, items))
        self._rows_since = self._bytes_since = 0

    # --- the first pass

    def _score_all(self) -> None:
        for source in self._plan.sources[self._source :]:
            with open_table(source, self._plan.format, self._start) as table:
                self._writer.begin(table)
                self._score_table(table)
                self._before += table.consumed()
            self._source += 1
            self._start, self._column, self._seen = START, None, []

    def _score_table(self, table: Table) -> None:
        items = postings(table, self._plan.text, self._column, self._seen)
        for batch in batches(items, min(BATCH_ROWS, self._plan.checkpoint_rows), table.tell):
            for number, (item, verdict) in enumerate(scored(self._scorer, batch), self.tally.rows + 1):
                self._take(table, item, verdict, number)
            self._flush()
            self._rows_since += len(batch)
            self._progress.show(self.tally, self._before + table.consumed())
            if self._rows_since >= self._plan.checkpoint_rows or self._bytes_since >= CHECKPOINT_BYTES:
                self._checkpoint(table.tell(), items)

    def _take(self, table: Table, item: Item, verdict: Verdict, number: int) -> None:
        if isinstance(item, Reject):
            self._reject(item)
            return
        row, text = item
        wanted = self._wants(verdict, number)
        if wanted and (reason := self._writer.write(row, verdict.cells)):
            self._reject(table.reject(row.place, reason))
            return
        self.tally.levels[verdict.level] += 1
        self.tally.twice += verdict.twice
        if wanted:
            self._keep(verdict, number)
        if self._plan.campaigns and verdict.level != "low":
            self._compare(text, number)

    def _wants(self, verdict: Verdict, number: int) -> bool:
        if LEVELS.index(verdict.level) < LEVELS.index(self._plan.min_level):
            return False
        return self._best is None or self._best.admits(verdict.logit, number)

    def _keep(self, verdict: Verdict, number: int) -> None:
        self.tally.written += 1
        if self._plan.top or self._plan.campaigns:
            self._kept.append((number, verdict.logit))
        if self._best is not None:
            self._best.add(verdict.logit, number)

    def _compare(self, text: str, number: int) -> None:
        shingles = shingles_of(text)
        self._flagged.append((number, len(shingles)))
        self._shingles.append(shingles.astype("<u8").tobytes())

    def _reject(self, reject: Reject) -> None:
        self.tally.reasons[reject.reason] += 1
        if self._plan.rejects:
            self._space.write("rejects", reject.to_json().encode() + b"\n")

    def _flush(self) -> None:
        """Write what the batch came to."""
        chunk = self._writer.flush()
        if chunk.sizes:
            self._write_rows(chunk.data)
        if self._kept:
            records = np.array([(*kept, size) for kept, size in zip(self._kept, chunk.sizes, strict=True)], KEPT)
            self._space.write("kept", records.tobytes())
        if self._flagged:
            self._space.write("flagged", np.array(self._flagged, FLAGGED).tobytes())
            self._space.write("shingles", b"".join(self._shingles))
        self._kept, self._flagged, self._shingles = [], [], []

    def _write_rows(self, data: bytes) -> None:
        if self._plan.passes == 1 and not self._headed:
            data = self._writer.header() + data
        self._headed = True
        self._space.write("part", pack(data, packing_of(self._plan.output)) if self._plan.passes == 1 else data)
        self._bytes_since += len(data)

    # --- after the last row

    def _end_first_pass(self) -> None:
        if not self._headed and (self._plan.passes == 1 or self._plan.kind == "parquet"):
            self._write_rows(self._writer.header() if self._plan.passes == 2 else b"")
        if self._plan.passes == 2:
            self._space.checkpoint(self._state("scored"))

    def _second_pass(self) -> None:
        with contextlib.ExitStack() as stack:
            campaigns = self._campaigns(stack) if self._plan.campaigns else None
            ranks = self._best.ranks() if self._best is not None else None
            if ranks is not None:
                self.tally.written = len(ranks)
            choice, packing = Choice(ranks, self._plan.extra, campaigns), packing_of(self._plan.output)
            if isinstance(self._writer, CsvWriter | JsonlWriter):
                finish_text(self._staged(), choice, self._writer, self._space.final(), packing)
            else:
                finish_parquet(self._staged(), choice, self._space.final(), packing)

    def _staged(self) -> Staged:
        told_apart = bool(self._plan.top or self._plan.campaigns)
        return Staged(
            self._space.staged("part"),
            self._space.length("part"),
            self._space.staged("kept") if told_apart else None,
            self._space.length("kept"),
        )

    def _campaigns(self, stack: contextlib.ExitStack) -> Campaigns:
        pieces = list(records_in(self._space.staged("flagged"), FLAGGED, self._space.length("flagged")))
        records = np.concatenate(pieces) if pieces else np.empty(0, FLAGGED)
        sets = ShingleFile(self._space.staged("shingles"), records["count"].copy())
        stack.callback(sets.close)
        campaigns = Campaigns(records["number"].copy(), sets)
        self.tally.campaigns = len(campaigns)
        return campaigns


def run(
    plan: Plan,
    scorer: Scorer,
    model: str,
    progress: Progress,
    resume: bool = False,
    fresh: bool = False,
) -> Tally:
    """Carry out a plan and return the counts of its rows.

    `model` is the screener's fingerprint. `resume` goes on from the last checkpoint of a run of the same
    plan, inputs and model, if there is one; `fresh` throws one away.

    Raises
    ------
    InputError
        If an input cannot be read, or columns do not fit; if there is an unfinished run and neither `resume` nor
        `fresh` is asked for, or one of another plan, input or model is to be resumed.
    OSError
        If an output cannot be written. What was done up to the last checkpoint is kept, and a note says so.
    """
    sources = plan.sources
    identity = None
    if all(map(is_rereadable, sources)):
        options = {**plan.options(), "--path": scorer.path}
        identity = {"inputs": [*map(identity_of, sources)], "options": options, "model": model, "version": __version__}
    with Workspace(plan.output, plan.rejects, identity, plan.passes) as space:
        checkpoint = space.open(resume, fresh)
        return Run(plan, scorer, space, progress).go(checkpoint)
