"""Whether each indicator earns its place: how often it fires on real texts of each kind, and its weight."""

from __future__ import annotations

from typing import Any

import pandas as pd

from screening.catalogue import Catalogue
from screening.features import Featuriser
from screening.model import Model

KINDS = {"lure": "lures", "look-alike": "look-alikes", "job-ad": "honest ads", "news": "news"}
LANGUAGES = ("es", "pt", "en")


def indicators(table: pd.DataFrame, catalogue: Catalogue, model: Model, featurise: Featuriser) -> dict[str, Any]:
    """Return per code its role, weight and the share of texts in which it fires, by kind and language."""
    judged = table[table.kind.isin(KINDS)]
    fired = pd.DataFrame([dict.fromkeys(featurise(text).values, 1.0) for text in judged.text], index=judged.index)
    fired = fired.reindex(columns=catalogue.codes).fillna(0.0)
    by_part = fired.groupby([judged.kind, judged.language]).mean()
    by_kind = fired.groupby(judged.kind).mean()
    rows = {}
    for indicator in catalogue.indicators:
        shares = {kind: float(by_kind[indicator.code].get(kind, 0.0)) for kind in KINDS}
        rows[indicator.code] = {
            "role": indicator.role,
            "strength": indicator.strength,
            "weight": float(model.indicators.get(indicator.code, 0.0)),
            "all": shares,
            **{
                kind: {lang: float(by_part[indicator.code].get((kind, lang), 0.0)) for lang in LANGUAGES}
                for kind in KINDS
            },
            "doubt": _doubt(indicator.role, shares),
        }
    sizes = judged.groupby(["kind", "language"]).size()
    return {"texts": {f"{kind}/{lang}": int(n) for (kind, lang), n in sizes.items()}, "indicators": rows}


def _doubt(role: str, shares: dict[str, float]) -> str:
    """Return what is wrong with an indicator, or nothing."""
    if not any(shares.values()):
        return "never fires"
    if role == "risk" and shares["lure"] == 0:
        return "never on lures"
    if role == "risk" and shares["lure"] <= shares["job-ad"]:
        return "as often on honest ads"
    if role == "risk" and shares["lure"] <= shares["look-alike"]:
        return "as often on look-alikes"
    return ""


def measures(results: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return what is pinned: name -> (value, wanted)."""
    risks = [row for row in results["indicators"].values() if row["role"] == "risk"]
    fires = sum(row["all"]["lure"] > 0 for row in risks) / max(1, len(risks))
    return {"risk indicators that fire on real lures": (fires, 1.0)}


def as_text(results: dict[str, Any]) -> str:
    """Return the shares, in per cent, as a table to read."""
    heads = "".join(f"{KINDS[kind]:^15}" for kind in KINDS)
    lines = [f"{'per cent of texts':<32}{'':>7} {heads}"]
    lines.append(f"{'indicator':<32}{'weight':>7} " + "".join(f"{lang:>5}" for _ in KINDS for lang in LANGUAGES))
    order = sorted(results["indicators"].items(), key=lambda item: (item[1]["role"], -item[1]["weight"]))
    for code, row in order:
        cells = "".join(f"{100 * row[kind][lang]:>5.1f}" for kind in KINDS for lang in LANGUAGES)
        lines.append(f"{row['role'][:3]} {code:<28}{row['weight']:>+7.2f} {cells}  {row['doubt']}".rstrip())
    return "\n".join(lines)
