"""The model card, written from the manifest: what it was trained on, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.corpus import corpus_hash

CARD = """# Model card

**What it is for.** Ranking posts, ads and messages in Spanish, Portuguese and English for review by a
person, by how much they read like a deceptive recruitment offer; and showing which words made it so.

**What it must not be used for.** Deciding about a person; removing posts, closing accounts or reporting
to an authority without a person's judgement; immigration or border control; predicting who is a victim.

**Who may be flagged wrongly.** Small employers who hire by chat, offer lodging or pay travel; people who
recount what was done to them; those who warn others; adult sex workers' own advertisements. Show the
findings to the reviewer, let the person answer, and measure how often reviewers disagree.

**Trained on.** {trained_on}

**Word vectors.** {encoder}

**Probabilities** assume that {prevalence:.2%} of the texts screened are lures: an assumption, not a
measurement. `with_prevalence` replaces it.

**Levels.** `review` starts at the logit {review:.2f}, `high` at {high:.2f}: thresholds that {points}.

**Results.** {results}
"""

UNMEASURED = "None yet: `python -m training reproduce` measures, on real texts only."
SECTIONS = {
    "quality": """Each real text scored by a model that saw nothing of its source or template: recall with a
95 % interval from resampling sources, ECE at the stated prevalence / at an even mix. Thresholds are common to the
three languages, so that the language of a text raises no score; the share of each language's ads that passes is shown.
Real lures are few (counts in the table), so differences of a few hundredths are chance.""",
    "second look": "The optional second tier (`screening[semantic]`), out of fold; its weight was chosen here.",
    "fairness": "Swaps of group words in real texts; change of probability.",
    "evasion": "Share of flagged lures that keep their level. The shipped model has seen most of these texts.",
    "faithfulness": "Whether what is shown is what decided. The shipped model has seen most of these texts.",
    "shortcuts": "What should not tell lures from other texts, alone.",
    "indicators": "How often each indicator fires on real texts.",
    "ablation": "What each ingredient adds, in the order given, on the same folds.",
}


def write_card(folder: Path, manifest: Mapping[str, Any], printed: Mapping[str, str]) -> None:
    """Write `card.md` beside the weights; `printed` holds what each run of SECTIONS printed, as far as it ran."""
    trained, thresholds = manifest["trained_on"], manifest["thresholds"]
    counts = "\n".join(f"- {kind}: {n}" for kind, n in sorted(trained["texts"].items()))
    origin = (
        f"Real texts held outside this project (corpus hash `{trained['corpus_hash']}`) and invented matched texts."
        if trained["real_texts"]
        else "Invented matched texts only, no real text: a starting point, with no measured quality."
    )
    points = (
        "1 % and 0.1 % of real honest job ads passed when held out by source"
        if trained["real_texts"]
        else "1 % and 0.1 % of invented honest texts passed"
    )
    results = [
        f"\n\n## {name.capitalize()}\n\n{text}\n\n```text\n{printed[name]}\n```"
        for name, text in SECTIONS.items()
        if printed.get(name)
    ]
    card = CARD.format(
        trained_on=f"{origin}\n\n{counts}",
        encoder=manifest["encoder"],
        prevalence=manifest["prevalence"],
        review=thresholds["review"],
        high=thresholds["high"],
        points=points,
        results="".join(results) or UNMEASURED,
    )
    (folder / "card.md").write_text(card, "utf-8")


DATA_CARD = """# Data card

**What is here.** Only invented texts: `training/data/pairs` holds triples of a lure, its honest twin and the same
lure retold, and everyday texts without a lure ({invented:,} texts once filled). They were written by language models
from the taxonomy of indicators, by writers who did not see the quoted lures. Every person, sum and event in them is
made up; places, brands and public bodies are real, what they are made to do or say is not. They teach; no result is
ever quoted on them.

Files named `_near` hold near misses: the honest twins and retellings of 1,858 lures that their writers bent until the
model missed them. The lures themselves are left out: written against the model they lie so near to notices,
testimonials and honest ads that they taught it to miss the quoted ones (recall at 1 % of ads 0.90 -> 0.87).

**What is not here.** The real texts (corpus hash `{hash}`) stay outside the project; weights were learnt from them.
They are read only from a folder that the one who trains names. Quoted lures come from news, court and NGO pages, as
those quoted or translated them: a recruiter's words at second hand, shorter and tidier than a feed.

**Counts of real texts** (windows of a post's length; `teaches` says whether they may train):

```text
{counts}
```

**Length of real texts** in characters:

```text
{lengths}
```

**Splits.** Five folds; a source, a near-duplicate template (opening words, stemmed) or a copy never stands on both
sides of one.

**Who is missing.** Few real lures in Spanish and fewer in Portuguese; hardly any voice note, image or comment thread;
few texts from Bolivia, Paraguay and Central America; no text in Haitian Creole, Quechua or Wayuunaiki. Lures that
were never reported are in no such collection.

**What the data cannot show.** Lures and honest texts were gathered in different places, so part of what separates
them may be where they were found; no split here can undo that.
"""


def write_data_card(path: Path, table: pd.DataFrame, real: NDArray[np.bool_]) -> None:
    """Write the data card from the training table; `real` says which rows are real."""
    rows = table[real]
    counts = rows.assign(teaches=np.where(rows.train, "yes", "no")).pivot_table(
        index=["kind", "teaches"], columns="language", values="id", aggfunc="count", fill_value=0
    )
    lengths = rows.assign(length=rows.text.str.len()).groupby("kind").length.quantile([0.1, 0.5, 0.9]).unstack()
    path.write_text(
        DATA_CARD.format(
            invented=int((~real).sum()),
            hash=corpus_hash(rows),
            counts=counts.to_string(),
            lengths=lengths.round().astype(int).to_string(),
        ),
        "utf-8",
    )
