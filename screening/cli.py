"""The command line: reads, calls the screener, writes. It holds no rules of its own."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import io
import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import IO

from screening import __version__
from screening.batch import CHECKPOINT_ROWS, Plan, batches, scored
from screening.batch import run as score
from screening.catalogue import LANGUAGES, Indicator, load_catalogue
from screening.errors import InputError, ScreeningError
from screening.fast import LEVELS
from screening.inputs import format_of, open_table, postings
from screening.outputs import replacing
from screening.progress import MODES, Progress, Tally
from screening.report import Posting, page, terminal
from screening.rows import Reject, Table
from screening.scorers import PATHS, Scorer, make_scorer
from screening.screener import Screener
from screening.shortlist import Shortlist, shortlist
from screening.sources import expand, size_of

DONE, FAILED, REJECTED = 0, 1, 3  # 2 is argparse's
INTERRUPTED, PIPE_CLOSED = 130, 141  # 128 + the signal, as a shell reports it
M_MMAP_THRESHOLD, LARGE_BLOCK = -3, 2**18  # of glibc's malloc.h; bytes
MAX_WIDTH = 100  # columns of text on a terminal

_EPILOG = """\
exit codes:
  0    done
  1    an input, a model or an output could not be used as asked; OUT is as it was
  2    wrong usage
  3    done, but some rows were rejected (counted on standard error; listed by --rejects)
  130  interrupted with Ctrl-C; OUT is as it was
  141  the reader of standard output went away

OUT is put in place whole, at the end. A long run that ends before that, however it ends, keeps its finished
rows beside OUT; the same command with --resume goes on from there and gives what one run would have.

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
    except KeyboardInterrupt as stop:
        _complain("interrupted", stop)
        return INTERRUPTED
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error), error)
        return FAILED
    except ScreeningError as error:
        _complain(str(error), error)
        return FAILED


def _complain(what: str, error: BaseException) -> None:
    """Say in one line what ended the run, and what of it is kept."""
    print("; ".join([f"screening: {what}", *getattr(error, "__notes__", ())]), file=sys.stderr)


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
    progress = parser.add_mutually_exclusive_group()
    progress.add_argument(
        "--progress",
        nargs="?",
        const="bar",
        default="auto",
        choices=MODES,
        help="show progress on standard error: bar, json (an object a line, the last has the counts), none; "
        "auto, the default, is bar on a terminal",
    )
    progress.add_argument("--no-progress", dest="progress", action="store_const", const="none", help="--progress none")
    parser.add_argument(
        "--path",
        choices=PATHS,
        default="auto",
        help="what scores: compiled (fast, needs the extra fast), reference (plain Python), or auto: what is there",
    )
    _add_model(parser)


def _add_score(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = _add_command(commands, "score", "add probability, level, language and indicators to each row of a file")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="CSV, JSONL or Parquet, plain or packed (.gz .bz2 .xz .zst); a folder or a quoted pattern stands for "
        "the files in it; - is stdin",
    )
    parser.add_argument(
        "-o",
        "--output",
        default="-",
        metavar="OUT",
        help="where to, packed by its suffix (default: -, standard output)",
    )
    parser.add_argument("--min-level", choices=LEVELS[1:], default="low", help="write only rows of this level or above")
    parser.add_argument("--top", type=_count, metavar="N", help="write only the N highest rows, highest first")
    parser.add_argument(
        "--near-duplicates",
        action="store_true",
        help="among flagged rows, find copies of one posting: adds the columns campaign and copies",
    )
    resuming = parser.add_mutually_exclusive_group()
    resuming.add_argument("--resume", action="store_true", help="go on with a run that was stopped, if there is one")
    resuming.add_argument("--fresh", action="store_true", help="throw such a run away and start over")
    parser.add_argument(
        "--checkpoint-rows",
        type=_count,
        default=CHECKPOINT_ROWS,
        metavar="N",
        help=f"rows after which what is done is kept for --resume (default: {CHECKPOINT_ROWS})",
    )
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
    parser.add_argument(
        "--near-duplicates",
        action="store_true",
        help="show copies of one flagged posting as one entry, a campaign, to be decided on once",
    )
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


def _hold_little(formats: Iterable[str]) -> None:
    """Have freed memory go back to the system; to be called before Arrow is imported.

    This process is ours to choose for. Arrow's own allocator keeps what it freed, 50 MB and more. So does glibc's,
    blocks of up to 32 MB; with mallopt(3) none over LARGE_BLOCK. That is 8 MB less at the peak for a twentieth more
    time, and only Parquet comes near the aim of 300 MB.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt and "parquet" in formats:
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


def _score(args: argparse.Namespace) -> int:
    sources = _sources(args)
    read = format_of(sources[0], args.format)
    kind = format_of(args.output, args.format or read)
    _hold_little({kind, read})
    screener = _screener(args)
    scorer = make_scorer(screener, args.path, args.second_look)
    plan = Plan(
        sources=tuple(sources),
        kind=kind,
        output=args.output,
        rejects=args.rejects,
        format=args.format,
        text=args.text,
        prefix=args.prefix,
        guard=args.guard,
        min_level=args.min_level,
        top=args.top,
        campaigns=args.near_duplicates,
        checkpoint_rows=args.checkpoint_rows,
    )
    progress = Progress(args.progress, size_of(sources), scorer.path)
    return _code_of(score(plan, scorer, screener.fingerprint, progress, args.resume, args.fresh))


def _sources(args: argparse.Namespace) -> list[str]:
    """Return the files to read, once it is sure that none of them is written over."""
    sources = expand(args.files, (args.output, args.rejects))
    _check_targets(sources, args)
    return sources


def _check_targets(sources: Sequence[str], args: argparse.Namespace) -> None:
    """Refuse to write over an input, or the rejects over the output."""
    named = [path for path in (*sources, args.output, args.rejects) if path not in (None, "-")]
    files = [os.path.realpath(path) for path in named if os.path.isfile(path) or not os.path.exists(path)]
    if twice := next((path for path in files if files.count(path) > 1), None):
        raise InputError(f"{twice} is named twice among inputs, output and rejects; give each its own file")


def _code_of(tally: Tally) -> int:
    return REJECTED if tally.rejects else DONE


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
    _hold_little({format_of(args.files[0], args.format)})
    _check_targets(args.files, args)
    source, screener = args.files[0], _screener(args)
    scorer = make_scorer(screener, args.path, args.second_look)
    progress, tally = Progress(args.progress, size_of([source]), scorer.path), Tally()
    rejects = replacing(args.rejects) if args.rejects else contextlib.nullcontext()
    listed = shortlist(args.top, args.near_duplicates)
    with listed, rejects as stream, replacing(args.output) as target, open_table(source, args.format) as table:
        _list_all(table, scorer, args.text, listed, tally, progress, stream)
        progress.stage("finishing")
        shown = [Posting(e.key, screener.screen(e.text), e.campaign, e.copies) for e in listed.entries()]
        target.write(page(shown, os.path.basename(table.name), tally.levels.total(), screener.prevalence).encode())
        done = table.consumed()
    progress.finish(tally, done)
    return _code_of(tally)


def _list_all(
    table: Table,
    scorer: Scorer,
    text: str | None,
    listed: Shortlist,
    tally: Tally,
    progress: Progress,
    rejects: IO[bytes] | None,
) -> None:
    """Hand each row that can be screened to the shortlist, and count all."""
    for batch in batches(postings(table, text), tell=table.tell):
        for item, verdict in scored(scorer, batch):
            number = tally.rows + 1
            if isinstance(item, Reject):
                tally.reasons[item.reason] += 1
                if rejects is not None:
                    rejects.write(item.to_json().encode() + b"\n")
                continue
            tally.levels[verdict.level] += 1
            tally.twice += verdict.twice
            key = item[0].values.get("id")
            listed.add(verdict, number, str(number) if key in (None, "") else str(key), item[1])
        progress.show(tally, table.consumed())
