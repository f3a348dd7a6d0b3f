"""What a run counted, and how it is going: a line on a terminal, or JSON lines for a program."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from screening.assessment import CAVEAT
from screening.lines import NOT_UTF8, NOT_UTF8_HELP

PROGRESS_S = 0.2  # seconds between two updates of the line
JSON_S = 1.0  # and between two objects
MAX_REASONS = 10  # kinds of reject named in the summary
MODES = ("auto", "bar", "json", "none")


class Tally:
    """Counts of the rows of a run."""

    def __init__(self) -> None:
        self.levels: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.twice = 0  # texts that the second look had a say in
        self.written = 0
        self.campaigns = 0

    @property
    def rows(self) -> int:
        """Return how many rows were read."""
        return self.levels.total() + self.reasons.total()

    @property
    def rejects(self) -> int:
        """Return how many of them were left out."""
        return self.reasons.total()

    @property
    def flagged(self) -> int:
        """Return how many are of level "review" or "high"."""
        return self.levels["review"] + self.levels["high"]

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain JSON types."""
        return {
            "levels": dict(self.levels),
            "reasons": dict(self.reasons),
            "twice": self.twice,
            "written": self.written,
            "campaigns": self.campaigns,
        }

    @classmethod
    def from_dict(cls, held: Mapping[str, Any]) -> Tally:
        """Return the tally that `to_dict` gave."""
        tally = cls()
        tally.levels.update(held["levels"])
        tally.reasons.update(held["reasons"])
        tally.twice, tally.written, tally.campaigns = held["twice"], held["written"], held["campaigns"]
        return tally


class Progress:
    """Shows on standard error how a run is going.

    Mode "auto" shows a line on a terminal and nothing elsewhere, "bar" shows it anywhere, "json" writes one
    object a line, the last with `"done": true` in place of the summary, and "none" shows the summary alone.
    """

    def __init__(self, mode: str = "auto", total: int | None = None, path: str = "reference") -> None:
        self._mode = ("bar" if sys.stderr.isatty() else "none") if mode == "auto" else mode
        self._total, self._path = total, path
        self._begun = self._shown = time.monotonic()
        self._rows = self._bytes = 0
        self._width = 0

    def begin(self, tally: Tally, done: int) -> None:
        """Start the clock; a resumed run has rows and bytes done that took it no time."""
        self._begun = time.monotonic()
        self._rows, self._bytes = tally.rows, done

    def show(self, tally: Tally, done: int) -> None:
        """Show how far the run is, unless that was shown just now; `done` is the bytes of the input read."""
        now = time.monotonic()
        if self._mode == "none" or now - self._shown < (JSON_S if self._mode == "json" else PROGRESS_S):
            return
        self._shown = now
        if self._mode == "json":
            _say(json.dumps(self._facts(tally, done)))
        else:
            self._draw(self._line(tally, done))

    def stage(self, name: str) -> None:
        """Show what is being done after the last row was read."""
        if self._mode == "bar":
            self._draw(name)

    def _draw(self, line: str) -> None:
        _say(f"\r{line:<{self._width}}", end="")
        self._width = len(line)

    def _facts(self, tally: Tally, done: int) -> dict[str, Any]:
        return {
            "rows": tally.rows,
            "rejects": tally.rejects,
            "flagged": tally.flagged,
            "bytes_read": done,
            "bytes_total": self._total,
            "seconds": round(time.monotonic() - self._begun, 3),
            "path": self._path,
        }

    def _rates(self, tally: Tally, done: int) -> tuple[float, float]:
        seconds = max(time.monotonic() - self._begun, 1e-9)
        return (tally.rows - self._rows) / seconds, (done - self._bytes) / seconds

    def _line(self, tally: Tally, done: int) -> str:
        rows, speed = self._rates(tally, done)
        line = f"{tally.rows:,} rows  {rows:,.0f} rows/s  {speed / 1e6:.1f} MB/s"
        if self._total and speed:
            line += f"  {min(1, done / self._total):.0%}  {_clock(max(0, self._total - done) / speed)} left"
        return line + f"  {tally.flagged:,} flagged"

    def finish(self, tally: Tally, done: int, notes: Iterable[str] = ()) -> None:
        """Show the summary: counts, reasons of rejects, `notes`, and what a flag does not mean."""
        if self._mode == "json":
            facts = {**self._facts(tally, done), "levels": dict(tally.levels), "reasons": dict(tally.reasons)}
            _say(json.dumps({**facts, "twice": tally.twice, "written": tally.written, "done": True}))
            return
        if self._mode == "bar":
            self._draw("")
            _say("\r", end="")
        _say(f"{tally.rows:,} rows: {_counts(tally)}")
        for reason, count in tally.reasons.most_common(MAX_REASONS):
            _say(f"  rejected {count:,}: {reason}" + (f"; {NOT_UTF8_HELP}" if reason == NOT_UTF8 else ""))
        rows, speed = self._rates(tally, done)
        for note in [f"{self._path} path, {rows:,.0f} rows/s, {speed / 1e6:.1f} MB/s", *notes]:
            _say(f"  {note}")
        _say(CAVEAT["en"])


def _counts(tally: Tally) -> str:
    return f"{tally.levels['review']:,} review, {tally.levels['high']:,} high, {tally.rejects:,} rejected"


def _clock(seconds: float) -> str:
    """Return a time as hours, minutes and seconds.

    >>> _clock(59.6), _clock(3725)
    ('1:00', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _say(line: str, end: str = "\n") -> None:
    print(line, end=end, file=sys.stderr, flush=True)
