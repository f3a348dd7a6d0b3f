"""How the rate falls with the number of phrases: the compiled path beside a loop over regular expressions.

    python tests/bench/bench_patterns.py [--data DIR] [--json FILE] [--rows N] [--phrases N,N,...]

The phrases are the first N of the catalogue's in an order drawn with a fixed seed; with one, nearly all
is what else scoring takes. The compiled path gives whole scores (folding, tokens, words, phrases, language); the
loop (`expressions.py`) folds and tries each phrase as one compiled regular expression. That is not
exactly equivalent, so `agreement` says which share of the phrases found in a few texts both find; it is
not part of what is timed. Both take postings of 2,300 bytes: the loop the first few of
them, fewer the more phrases there are.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence

import common
import numpy as np
from expressions import Expressions

from screening import Screener
from screening._arrays import expand
from screening.catalogue import Automata, Catalogue, load_catalogue, starts
from screening.classes import classes_of
from screening.fast import BatchScorer
from screening.model import load_model
from screening.patterns import ANY, NUMBER

COUNTS = (1, 50, 200, 500, 1000, 2000)  # and all
TRIED = 20_000  # expressions a loop tries in one pass, about: 2,000 phrases on ten texts
FEWEST, MOST = 5, 200  # texts a loop takes
SEED = 7


def sample(catalogue: Catalogue, count: int) -> Catalogue:
    """Return the catalogue with so many of its phrases, in their order; a larger sample holds a smaller."""
    order = list(range(len(catalogue.phrases)))
    random.Random(SEED).shuffle(order)
    return with_phrases(catalogue, sorted(order[:count]))


def with_phrases(catalogue: Catalogue, numbers: Sequence[int]) -> Catalogue:
    """Return the catalogue with the phrases of these numbers (ascending), and the atoms they read."""
    a, kept = catalogue.automata, np.array(numbers, np.int64)
    edges = places(a.first, places(a.start, kept))
    always = [catalogue.atoms.index(ANY), catalogue.atoms.index(NUMBER)]
    atoms = np.array(always + sorted(set(a.atom[edges].tolist()) - set(always)))
    phrases = tuple(catalogue.phrases[number] for number in numbers)
    names = tuple(catalogue.atoms[i] for i in atoms)
    return Catalogue(catalogue.indicators, phrases, (), names, chosen(a, kept, atoms, names))


def chosen(a: Automata, phrases: np.ndarray, atoms: np.ndarray, names: Sequence[str]) -> Automata:
    """Return some phrases and atoms (and what these are) in this order; they must be all that these phrases read."""
    name_class, class_first, class_atom = classes_of(names)
    states = places(a.start, phrases)
    edges = places(a.first, states)
    new_state, new_atom = inverse(states, len(a.accept)), inverse(atoms, int(atoms.max(initial=-1)) + 1)
    anchors = np.argsort(new_state[a.anchor], kind="stable")
    anchors = anchors[new_state[a.anchor][anchors] >= 0]
    sets = np.unique(a.asked[anchors])
    sets = sets[sets >= 0]
    new_set = np.append(inverse(sets, len(a.set_first) - 1), np.int32(-1))  # at -1, for none
    return Automata(
        first=starts(np.diff(a.first)[states]),
        atom=new_atom[a.atom[edges]],
        target=new_state[a.target[edges]],
        start=starts(np.diff(a.start)[phrases]),
        accept=a.accept[states],
        longest=a.longest[phrases],
        anchor=new_state[a.anchor[anchors]],
        asked=new_set[a.asked[anchors]],
        asked_at=a.asked_at[anchors],
        set_first=starts(np.diff(a.set_first)[sets]),
        set_atom=new_atom[a.set_atom[places(a.set_first, sets)]],
        name_class=name_class,
        class_first=class_first,
        class_atom=class_atom,
    )


def places(first: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return what the rows hold, `first[r]` to `first[r + 1]`, one row after the other."""
    return expand(first, rows)[1]


def inverse(chosen: np.ndarray, size: int) -> np.ndarray:
    """Return int32 of shape (size,): the place of each number among those chosen, -1 for others."""
    place = np.full(size, -1, np.int32)
    place[chosen] = np.arange(len(chosen))
    return place


def measure(job: common.Job, pieces: Sequence[str]) -> common.Result:
    """Return the rates of one subject with so many phrases, in this process."""
    catalogue = sample(load_catalogue(), job["phrases"])
    texts = common.texts_of(pieces, common.POSTING, job["rows"])
    if job["subject"] == "compiled":
        score = BatchScorer(Screener(load_model(), catalogue), compiled=True).score
        return job | common.rates(score, texts, job["repeats"])
    loop = Expressions(catalogue.phrases)
    texts = texts[: min(MOST, max(FEWEST, TRIED // job["phrases"]))]
    both, either = loop.agreement(catalogue, texts)
    agreement = common.rounded(both / either) if either else None
    return job | common.rates(loop.find, texts, job["repeats"]) | {"agreement": agreement, "found": either}


def jobs(options: argparse.Namespace) -> list[common.Job]:
    """Return two jobs for each number of phrases, one after the other."""
    held = len(load_catalogue().phrases)
    counts = options.phrases or [*(count for count in COUNTS if count < held), held]
    shared = {"rows": options.rows, "repeats": options.repeats}
    return [{"subject": s, "phrases": n} | shared for n in counts for s in ("compiled", "re loop")]


def finish(results: list[common.Result]) -> None:
    """Add how many times as fast as the loop the compiled path is, by processor time."""
    ours = {result["phrases"]: result["mb_s"] for result in results if result["subject"] == "compiled"}
    for result in results:
        if result["phrases"] in ours:
            result["compiled_times"] = common.rounded(ours[result["phrases"]] / result["mb_s"])


def table(report: common.Report) -> str:
    """Return the results for a person."""
    columns = {"subject": "subject", "phrases": "phrases", "texts": "texts", "mb_s": "MB/s", "elapsed_mb_s": "elapsed"}
    columns |= {"texts_s": "texts/s", "compiled_times": "ratio", "agreement": "agreement", "found": "found"}
    return common.lines_of(columns, report["results"])


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rows", type=int, default=4000, help="postings")
    parser.add_argument(
        "--phrases", type=lambda text: [int(n) for n in text.split(",")], help="numbers, comma-separated"
    )


BENCH = common.Bench("patterns", __doc__, __file__, jobs, measure, finish, table, _add_options)

if __name__ == "__main__":
    common.run(BENCH)
