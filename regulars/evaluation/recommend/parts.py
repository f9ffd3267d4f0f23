"""Owns the names of what is evaluated apart from lists for known customers, and running one of them."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from regulars.evaluation.experiments.run import simulate
from regulars.evaluation.progress import Progress
from regulars.evaluation.recommend.ablation import ablation
from regulars.evaluation.recommend.ablation_report import Ablation
from regulars.evaluation.recommend.anonymous import evaluate_anonymous
from regulars.evaluation.recommend.cluster_comparison import Comparison, comparison
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.due import evaluate_due
from regulars.evaluation.recommend.new_customers import evaluate_new
from regulars.evaluation.recommend.new_segments import evaluate_segments
from regulars.evaluation.recommend.spread import evaluate_spread
from regulars.evaluation.recommend.vectors import evaluate_vectors

Found = Ablation | Comparison | dict[str, Any]


class Part(StrEnum):
    DUE = "due"
    NEW_CUSTOMERS = "new-customers"
    ANONYMOUS = "anonymous"
    ABLATION = "ablation"
    CLUSTER = "cluster"
    VECTORS = "vectors"
    SEGMENTS = "segments"
    EXPERIMENTS = "experiments"
    DIVERSITY = "diversity"


_RUN: Mapping[Part, Callable[[Evaluated, Progress], Found]] = {
    Part.DUE: evaluate_due,
    Part.NEW_CUSTOMERS: evaluate_new,
    Part.ANONYMOUS: evaluate_anonymous,
    Part.ABLATION: ablation,
    Part.CLUSTER: comparison,
    Part.VECTORS: evaluate_vectors,
    Part.SEGMENTS: evaluate_segments,
    Part.EXPERIMENTS: simulate,
    Part.DIVERSITY: evaluate_spread,
}


def evaluate_part(data: Evaluated, part: Part, progress: Progress) -> Found:
    """Return the part's report. Raises TooLittleDataError, NobodyToAskError, DaskMissingError."""
    return _RUN[part](data, progress)
