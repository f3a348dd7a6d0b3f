"""A moderation queue: postings as JSONL in, those worth a review as JSONL out, with a statement of reasons.

    python examples/review_queue.py < postings.jsonl > queue.jsonl

The threshold follows from how many reviews the team can do, not from a fixed score.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from screening import Screener

REVIEWS, PER = 500, 10_000  # the team can read 500 of every 10,000 postings


def queue(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Yield an entry for each posting that needs a reviewer, in the order they came."""
    screener = Screener.load().at_capacity(REVIEWS, per=PER)
    for line in lines:
        posting = json.loads(line)
        assessment = screener.screen(posting["text"])
        if assessment.level == "low" or "other-language" in assessment.notes:
            continue
        yield {
            "id": posting["id"],
            "level": assessment.level,
            "probability": round(assessment.probability, 4),
            "indicators": assessment.indicators,
            "statement": assessment.statement_of_reasons(),
        }


def main() -> None:
    """Read standard input, write standard output."""
    for entry in queue(sys.stdin):
        print(json.dumps(entry, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
