"""Owns the names of what is evaluated apart from lists for known customers, and running one of them."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from regulars.evaluation.recommend_anonymous import evaluate_anonymous
from regulars.evaluation.recommend_data import Evaluated
from regulars.evaluation.recommend_due import evaluate_due
from regulars.evaluation.recommend_new import evaluate_new

Progress = Callable[[str], None]


class Part(StrEnum):
    DUE = "due"
    NEW_CUSTOMERS = "new-customers"
    ANONYMOUS = "anonymous"


def evaluate_part(data: Evaluated, part: Part, progress: Progress) -> dict[str, Any]:
    """Return the part's report as a JSON document. Raises TooLittleDataError."""
    run = {
        Part.DUE: evaluate_due,
        Part.NEW_CUSTOMERS: evaluate_new,
        Part.ANONYMOUS: evaluate_anonymous,
    }[part]
    return run(data, progress)
