"""Owns comparing the rankers that a Dask cluster fits with those of one machine, on baskets that neither has seen.

Both learn from the same Parquet export's rows; nothing of the test is looked at.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import Values, figures, figures_of_places, means, paired_differences
from regulars.evaluation.recommend.cluster import WORKERS, fit_on_cluster, local_cluster, write_examples
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.next_basket import NobodyToAskError, temporal_cut
from services.recommend.ranking.candidates import candidates_of
from services.recommend.ranking.features import FEATURE_NAMES, prepared
from services.recommend.ranking.ranker import DEFAULT_ROUNDS, Examples, Ranker, fit
from services.recommend.ranking.rankers import Rankers, Ranking, ordered
from services.recommend.training.examples import Rows, examples_at, joined
from services.recommend.training.fitting import tree_examples
from services.recommend.training.in_basket import PARAMETERS, ROUNDS, exam_of, world_at
from services.recommend.training.origins import HORIZON_DAYS, Origin, knowledge_at, origin_at, shoppers, training_cuts

TRAINING_ORIGINS = 3
JUDGED_SHARE = 0.5
SEED = 7
Found = list[Values]


@dataclass(frozen=True)
class Task:
    """What a ranker learns from, how, and the figures that some of them reach on the same lists."""

    examples: Examples
    rounds: int
    parameters: Mapping[str, Any]
    judged: Callable[[list[Ranker]], Found]


@dataclass(frozen=True)
class Compared:
    """The figures of both, and those of the cluster above those of one machine: [difference, low, high]."""

    lists: int
    rows: int
    one_machine: dict[str, float]
    cluster: dict[str, float]
    differences: dict[str, list[float]]


@dataclass(frozen=True)
class Comparison:
    """Both rankers, fitted both ways."""

    data: str
    workers: int
    rankers: dict[str, Compared]


def comparison(data: Evaluated, progress: Progress) -> Comparison:
    """Fit on validation baskets both ways and compare.

    Raises DaskMissingError, NobodyToAskError, TooLittleDataError.
    """
    cut = temporal_cut(data.dataset) - HORIZON_DAYS
    found = {}
    for name, make in (("next basket", next_basket), ("open basket", open_baskets)):
        progress(f"{name}: making examples")
        found[name] = _compared(make(data, cut), name, progress)
    return Comparison(data.name, WORKERS, found)


def next_basket(data: Evaluated, cut: float) -> Task:
    """Learn from the targets of several moments before `cut`; judge on the first baskets after it."""
    origins = (origin_at(data.dataset, each) for each in training_cuts(data.dataset, cut)[:TRAINING_ORIGINS])
    rows = joined([_rows_at(data, origin) for origin in origins])
    test = origin_at(data.dataset, cut)
    if not rows.bought.any() or not test.targets:
        raise NobodyToAskError("no customer has a basket both before and after the validation's cut")
    examples = tree_examples(rows, FEATURE_NAMES)
    return Task(examples, DEFAULT_ROUNDS, {}, lambda rankers: _ranked(data, test, rankers))


def open_baskets(data: Evaluated, cut: float) -> Task:
    """Learn from half of the baskets of the four weeks after `cut`, and look for what is hidden in the others."""
    exam = exam_of(world_at(data.dataset, data.assortment, cut), JUDGED_SHARE)
    if not exam.examples.labels.any():
        raise NobodyToAskError("no basket of three products or more came after the cut")
    return Task(
        exam.examples,
        ROUNDS,
        PARAMETERS,
        lambda rankers: [figures_of_places(exam.judged(each).places) for each in rankers],
    )


def _compared(task: Task, name: str, progress: Progress) -> Compared:
    progress(f"{name}: fitting on one machine, {task.examples.labels.size:,} rows")
    alone = fit(task.examples, task.rounds, **task.parameters)
    with TemporaryDirectory() as folder, local_cluster() as client:
        progress(f"{name}: fitting on {WORKERS} workers")
        files = write_examples(task.examples, Path(folder))
        together = fit_on_cluster(client, files, task.rounds, **task.parameters)
    progress(f"{name}: ranking with both")
    theirs, ours = task.judged([alone, together])
    gaps = paired_differences(ours, {"alone": theirs})["alone"]
    return Compared(ours.shape[0], task.examples.labels.size, means(theirs), means(ours), gaps)


def _rows_at(data: Evaluated, origin: Origin) -> Rows:
    return examples_at(data.dataset, knowledge_at(data.dataset, data.assortment, origin), origin, SEED)


def _ranked(data: Evaluated, test: Origin, trees: list[Ranker]) -> Found:
    """Rank every customer's candidates by each of the trees."""
    knowledge = knowledge_at(data.dataset, data.assortment, test)
    rankers = [Rankers(Ranking(trees=each)) for each in trees]
    rows: list[list[Values]] = [[] for _ in rankers]
    for target, shopper in shoppers(data.dataset, knowledge, test):
        visit = prepared(shopper, candidates_of(shopper, knowledge.popularity), knowledge)
        wanted = data.dataset.basket(target.basket)
        for each, found in zip(rankers, rows, strict=True):
            products, _ = ordered(visit.candidates, each.scores(visit, target.now, -1))
            found.append(figures(products, wanted, shopper.history.products))
    return [np.array(found) for found in rows]
