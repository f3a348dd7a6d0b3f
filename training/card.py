"""The model card, written from the manifest: what it was trained on, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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

MEASURED = """On real texts only, each scored by a model that saw nothing of its source or template (recall
with a 95 % interval from resampling sources; ECE at the stated prevalence / at an even mix):

```text
{table}
```"""
UNMEASURED = "None: no real texts were at hand, and none is ever quoted on generated text."


def write_card(folder: Path, manifest: Mapping[str, Any], table: str) -> None:
    """Write `card.md` beside the weights; `table` holds the measures, or is empty where there are none."""
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
    card = CARD.format(
        trained_on=f"{origin}\n\n{counts}",
        encoder=manifest["encoder"],
        prevalence=manifest["prevalence"],
        review=thresholds["review"],
        high=thresholds["high"],
        points=points,
        results=MEASURED.format(table=table) if table else UNMEASURED,
    )
    (folder / "card.md").write_text(card, "utf-8")
