"""Owns importing LightGBM without what it would load for data frames and estimators, where that is installed.

LightGBM takes pandas, scikit-learn and pyarrow along if it finds them: 105 MB and three seconds for what no process
here uses. They are hidden while it is imported, and only then.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager

OPTIONAL = ("pandas", "sklearn", "pyarrow", "dask", "matplotlib", "cffi")


@contextmanager
def hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Let imports of these packages fail for a while; those loaded already stay what they are."""
    absent = [name for name in names if name not in sys.modules]
    # None in sys.modules is Python's own way of saying that an import must fail.
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in absent:
            sys.modules.pop(name, None)


def load() -> None:
    """Import LightGBM, the lean way if nobody imported it before."""
    with hidden(OPTIONAL):
        importlib.import_module("lightgbm")
