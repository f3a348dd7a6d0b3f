"""Find deceptive job offers among honest ones, and say why."""

from screening.assessment import Assessment, Contribution, Finding, Span
from screening.catalogue import Catalogue, Indicator
from screening.errors import CatalogueError, InputError, MissingExtraError, ModelError, ScreeningError
from screening.screener import Screener

__version__ = "0.1.0"

__all__ = [
    "Assessment",
    "Catalogue",
    "CatalogueError",
    "Contribution",
    "Finding",
    "Indicator",
    "InputError",
    "MissingExtraError",
    "ModelError",
    "Screener",
    "ScreeningError",
    "Span",
]
