"""Screen a pandas frame and list what to look at first. Needs: pip install 'deceptive-offer-screening[tables]'

python examples/screen_frame.py
"""

from pathlib import Path

import pandas as pd

from screening import Screener

POSTINGS = Path(__file__).parent / "postings.csv"


def main() -> None:
    """Rank the invented postings beside this file."""
    screener = Screener.load().with_prevalence(0.005)  # on this board we expect 1 lure in 200 postings
    frame = pd.read_csv(POSTINGS, index_col="id")
    scored = frame.join(screener.screen_frame(frame, "text"))  # empty cells are NaN here and get no opinion
    ranked = scored.sort_values("probability", ascending=False)
    print(ranked[["kind", "level", "probability", "indicators"]].head(10).to_string())


if __name__ == "__main__":
    main()
