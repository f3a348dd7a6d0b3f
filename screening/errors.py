"""What can go wrong, as one tree.

ScreeningError
├── CatalogueError      an indicator or phrase file is wrong
├── ModelError          a model folder is missing, changed or of another format
├── InputError          a file of postings cannot be read as asked
└── MissingExtraError   an optional package is needed and not installed
"""


class ScreeningError(Exception):
    """Base of every error this package raises on its own account."""


class CatalogueError(ScreeningError):
    """Raised at load when a catalogue or phrase file breaks its rules; names the file and the code."""


class ModelError(ScreeningError):
    """Raised at load when a model is missing, was changed after export, or does not fit this version."""


class InputError(ScreeningError):
    """Raised when an input file, its format or its columns are not what was asked for."""


class MissingExtraError(ScreeningError):
    """Raised when an optional package is needed; the message holds the install command."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'deceptive-offer-screening[{extra}]'"
        )
