"""What pytest collects: all of it, but for modules whose extra is not installed."""

from __future__ import annotations

import importlib.util

# `--doctest-modules` imports each module it looks at, and these import numba, which is of the extra `fast`.
collect_ignore = [] if importlib.util.find_spec("numba") else ["screening/_arrays.py", "screening/_kernel.py"]
