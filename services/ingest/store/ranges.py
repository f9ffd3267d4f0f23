"""Runs of numbers as PostgreSQL keeps them: multiranges, closed below and open above."""

from collections.abc import Iterable, Sequence
from typing import Any

from services.ingest.domain.runs import Run, Runs


def runs_of(ranges: Iterable[Any]) -> Runs:
    return tuple((found.lower, found.upper - 1) for found in ranges)


EVERYTHING = "{(,)}"
"""All numbers there are."""


def text_of(runs: Sequence[Run]) -> str:
    """Write runs as text: the driver takes an array of multiranges for an array of two dimensions."""
    return "{" + ",".join(f"[{first},{last + 1})" for first, last in runs) + "}"
