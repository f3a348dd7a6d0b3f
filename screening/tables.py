"""Results as columns: their names, and pandas frames that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from screening.assessment import Assessment
from screening.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

    from screening.screener import Screener

OUR_COLUMNS = ("probability", "level", "language", "indicators")


def screen_frame(screener: Screener, frame: pd.DataFrame, text: str) -> pd.DataFrame:
    """Return what `Screener.screen_frame` says; strings stay Python objects, so None stays None."""
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtraError("pandas", "tables", "screen_frame") from error
    if text not in frame.columns:
        raise KeyError(f"no column {text!r}; the frame has: {', '.join(map(str, frame.columns))}")
    rows = [cells_of(screener.screen(cell)) if isinstance(cell, str) else _NO_OPINION for cell in frame[text]]
    cells = list(zip(*rows, strict=True)) or [()] * len(OUR_COLUMNS)
    dtypes = dict.fromkeys(OUR_COLUMNS, "object") | {"probability": "float64"}
    return pd.DataFrame(
        {
            name: pd.Series(list(values), index=frame.index, dtype=dtypes[name])
            for name, values in zip(OUR_COLUMNS, cells, strict=True)
        }
    )


_NO_OPINION = (float("nan"), None, None, ())


def cells_of(assessment: Assessment) -> tuple[float, str, str, tuple[str, ...]]:
    """Return the values of OUR_COLUMNS."""
    return assessment.probability, assessment.level, assessment.language, assessment.indicators
