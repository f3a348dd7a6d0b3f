"""The command line: reads, calls the screener, writes. It holds no rules of its own."""

from __future__ import annotations

import argparse
import contextlib
import heapq
import io
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO

from screening import __version__
from screening.assessment import CAVEAT, Assessment
from screening.catalogue import LANGUAGES, Indicator, load_catalogue
from screening.errors import InputError, ScreeningError
from screening.inputs import Reject, Row, Table, format_of, open_table, postings
from screening.outputs import open_writer, replacing
from screening.report import Posting, page, terminal
from screening.screener import Screener
from screening.tables import cells_of

DONE, FAILED, REJECTED = 0, 1, 3  # 2 is argparse's
INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 + the signal, as a shell reports it
MAX_REASONS = 10  # kinds of reject named in the summary
PROGRESS_S = 0.2  # seconds between two updates
MAX_WIDTH = 100  # columns of text on a terminal
LEVELS = ("low", "review", "high")

_EPILOG = """\
exit codes:
  0    done
  1    an input, a model or an output could not be used as asked; nothing was written
  2    wrong usage
  3    done, but some rows were rejected (counted on standard error; listed by --rejects)
  130  interrupted with Ctrl-C; nothing was written
  141  the reader of standard output went away

A flag asks for a human review. It proves no crime and accuses no person.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    args = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Python flushes stdout at exit, and would complain there: https://docs.python.org/3/library/signal.html
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        return INTERRUPTED
    except (ScreeningError, OSError) as error:
        print(f"screening: {error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="screening",
        description="Rank postings that may be deceptive job offers for human review, and say why.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"screening {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_score(commands)
    _add_explain(commands)
    _add_indicators(commands)
    _add_report(commands)
    return parser


Commands = argparse._SubParsersAction  # argparse has no public name for it


def _add_command(commands: Commands[argparse.ArgumentParser], name: str, about: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name, help=about, description=about, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", metavar="DIR", help="a folder with an exported model (default: the bundled one)")
    parser.add_argument(
        "--prevalence", type=_prevalence, metavar="P", help="share of lures you assume, in (0, 1); shifts probabilities"
    )
    parser.add_argument(
        "--second-look",
        action="store_true",
        help="look twice, by meaning, at texts near the threshold; explain: at this one (needs the extra semantic)",
    )


def _prevalence(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not strictly between 0 and 1")
    return value


def _add_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text", metavar="COLUMN", help="the posting's column (default: text, description, ...)")
    parser.add_argument(
        "--format",
        choices=("csv", "jsonl", "parquet"),
        help="the format where a name does not tell it; output takes the input's",
    )
    parser.add_argument("--rejects", metavar="FILE", help="list the rejected rows here, as JSONL without their text")
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show progress on standard error (default: on a terminal)",
    )
    _add_model(parser)


def _add_score(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _add_command(commands, "score", "add probability, level, language and indicators to each row of a file")
    parser.add_argument("files", nargs="+", metavar="FILE", help="CSV, JSONL or Parquet, plain or .gz; - is stdin")
    parser.add_argument("-o", "--output", default="-", metavar="OUT", help="where to (default: -, standard output)")
    parser.add_argument("--min-level", choices=LEVELS[1:], default="low", help="write only rows of this level or above")
    parser.add_argument("--prefix", default="", help="put before the names of the columns added")
    parser.add_argument(
        "--no-guard",
        dest="guard",
        action="store_false",
        help="in CSV, do not put a ' before text cells that start with = + - @ tab or line end (numbers never get one)",
    )
    _add_input(parser)
    parser.set_defaults(run=_score)


def _add_explain(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _add_command(commands, "explain", "say what was found in one posting, and why it matters")
    parser.add_argument("text", nargs="?", default="-", metavar="TEXT", help="the posting; - or nothing reads stdin")
    parser.add_argument("--json", action="store_true", help="print the whole assessment as JSON")
    _add_model(parser)
    parser.set_defaults(run=_explain)


def _add_indicators(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _add_command(commands, "indicators", "list what is looked for, and on whose authority")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="of titles and reasons (default: en)")
    parser.set_defaults(run=_indicators)


def _add_report(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _add_command(commands, "report", "write one HTML page of the highest postings, with evidence and reasons")
    parser.add_argument("files", nargs=1, metavar="FILE", help="CSV, JSONL or Parquet, scored or not; - is stdin")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="the page; - is standard output")
    parser.add_argument("--top", type=_count, default=500, metavar="N", help="postings on the page (default: 500)")
    _add_input(parser)
    parser.set_defaults(run=_report)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a count of at least 1")
    return value


def _screener(args: argparse.Namespace) -> Screener:
    screener = Screener.load(args.model)
    screener = screener.with_second_look() if args.second_look else screener
    return screener.with_prevalence(args.prevalence) if args.prevalence else screener


# --- score


def _score(args: argparse.Namespace) -> int:
    _check_targets(args)
    kind = format_of(args.output, args.format or format_of(args.files[0], args.format))
    screener = _screener(args)
    with _tallied(args) as tally, open_writer(args.output, kind, args.prefix, args.guard) as writer:
        for source in args.files:
            with open_table(source, args.format) as table:
                writer.begin(table)
                for _, row, assessment in _screened(screener, table, args.text, tally):
                    wanted = LEVELS.index(assessment.level) >= LEVELS.index(args.min_level)
                    reason = writer.write(row, cells_of(assessment)) if wanted else None
                    tally.add(table.reject(row.place, reason) if reason else assessment.level)
    return tally.finish()


def _check_targets(args: argparse.Namespace) -> None:
    """Refuse to write over an input, or the rejects over the output."""
    named = [path for path in (*args.files, args.output, args.rejects) if path not in (None, "-")]
    files = [os.path.realpath(path) for path in named if os.path.isfile(path) or not os.path.exists(path)]
    if twice := next((path for path in files if files.count(path) > 1), None):
        raise InputError(f"{twice} is named twice among inputs, output and rejects; give each its own file")


def _screened(
    screener: Screener, table: Table, text: str | None, tally: _Tally
) -> Iterator[tuple[int, Row, Assessment]]:
    """Yield each row that can be screened, with its number among all rows, from 1."""
    for number, item in enumerate(postings(table, text), 1):
        if isinstance(item, Reject):
            tally.add(item)
        else:
            yield number, item[0], screener.screen(item[1])


class _Tally:
    """Counts rows and rejects, and shows how they go by."""

    def __init__(self, shows: bool, rejects: IO[bytes] | None) -> None:
        self.levels: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._shows, self._rejects = shows, rejects
        self._begun = self._shown = time.monotonic()

    @property
    def rows(self) -> int:
        """Return how many rows were read."""
        return self.levels.total() + self._reasons.total()

    def add(self, outcome: str | Reject) -> None:
        """Count the level of a row, or its reject, which goes to the rejects file too."""
        if isinstance(outcome, Reject):
            self._reasons[outcome.reason] += 1
            if self._rejects is not None:
                self._rejects.write(outcome.to_json().encode() + b"\n")
        else:
            self.levels[outcome] += 1
        self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if self._shows and now - self._shown >= PROGRESS_S:
            self._shown = now
            _say(f"\r{self.rows:,} rows  {self.rows / (now - self._begun):,.0f} rows/s ", end="")

    def finish(self) -> int:
        """Print the summary and return the exit code."""
        rejected = self._reasons.total()
        counts = f"{self.levels['review']:,} review, {self.levels['high']:,} high, {rejected:,} rejected"
        _say(("\r" if self._shows else "") + f"{self.rows:,} rows: {counts}")
        for reason, count in self._reasons.most_common(MAX_REASONS):
            _say(f"  rejected {count:,}: {reason}")
        _say(CAVEAT["en"])
        return REJECTED if rejected else DONE


def _say(line: str, end: str = "\n") -> None:
    print(line, end=end, file=sys.stderr, flush=True)


@contextlib.contextmanager
def _tallied(args: argparse.Namespace) -> Iterator[_Tally]:
    shows = sys.stderr.isatty() if args.progress is None else args.progress
    with replacing(args.rejects) if args.rejects else contextlib.nullcontext() as rejects:
        yield _Tally(shows, rejects)


# --- explain


def _explain(args: argparse.Namespace) -> int:
    text = _read_stdin() if args.text == "-" else args.text
    assessment = _screener(args).screen(text, second_look=args.second_look or None)
    if args.json:
        print(json.dumps(assessment.to_dict(), ensure_ascii=False, indent=2))
        return DONE
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")  # https://no-color.org
    for line in terminal(assessment, colour, min(MAX_WIDTH, shutil.get_terminal_size().columns)):
        print(line)
    return DONE


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"standard input is not UTF-8 (byte {error.start}); convert it first") from error


# --- indicators


def _indicators(args: argparse.Namespace) -> int:
    indicators = load_catalogue().indicators
    if args.json:
        print(json.dumps([_indicator_dict(i, args.language) for i in indicators], ensure_ascii=False, indent=2))
        return DONE
    rows = [("CODE", "ROLE", "STRENGTH", "TITLE")]
    rows += [(i.code, i.role, i.strength, i.title[args.language]) for i in indicators]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
    return DONE


def _indicator_dict(indicator: Indicator, language: str) -> dict[str, object]:
    return {
        "code": indicator.code,
        "family": indicator.family,
        "role": indicator.role,
        "strength": indicator.strength,
        "hard": indicator.hard,
        "negatable": indicator.negatable,
        "title": indicator.title[language],
        "reason": indicator.reason[language],
        "authority": indicator.authority,
        "source": indicator.source,
        "note": indicator.note,
    }


# --- report


def _report(args: argparse.Namespace) -> int:
    _check_targets(args)
    screener, source = _screener(args), args.files[0]
    with _tallied(args) as tally, replacing(args.output) as stream, open_table(source, args.format) as table:
        ranked = _highest(_screened(screener, table, args.text, tally), args.top, tally)
        stream.write(page(ranked, os.path.basename(table.name), tally.levels.total(), screener.prevalence).encode())
    return tally.finish()


def _highest(rows: Iterator[tuple[int, Row, Assessment]], top: int, tally: _Tally) -> list[Posting]:
    """Return the postings with the highest scores, highest first; no more than `top` are held."""
    held: list[tuple[float, int, Posting]] = []
    for number, row, assessment in rows:
        tally.add(assessment.level)
        key = row.values.get("id")
        posting = Posting(str(number) if key in (None, "") else str(key), assessment)
        heapq.heappush(held, (assessment.logit, -number, posting))
        if len(held) > top:
            heapq.heappop(held)
    return [posting for *_, posting in sorted(held, key=lambda entry: entry[:2], reverse=True)]
