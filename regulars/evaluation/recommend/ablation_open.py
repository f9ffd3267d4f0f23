"""Owns what each generator brings to completing a known customer's open basket, the ranker fitted anew without it."""

from dataclasses import replace

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import figures_of_places
from regulars.evaluation.recommend.ablation_report import AS_SERVED, Figures, Section, columns, section
from regulars.evaluation.recommend.data import Evaluated
from services.recommend.generators.switches import EVERYTHING, Generator, Switches
from services.recommend.ranking.ranker import fit
from services.recommend.training.in_basket import PARAMETERS, ROUNDS, Exam, World, exam_of, world_at

GENERATORS = (
    Generator.BASKET_ITEMS,
    Generator.OWN_TRIPS,
    Generator.OWN_PRODUCTS,
    Generator.USER_CF,
    Generator.POPULAR,
)
JUDGED_SHARE = 0.5
_SHOWN = ("hit@10", "mrr@20")


def open_baskets(data: Evaluated, cut: float, progress: Progress) -> list[Section]:
    """Return the section of baskets of the four weeks after `cut`; none where no basket held three products."""
    progress("open basket: what was known")
    world = world_at(data.dataset, data.assortment, cut)
    exam = _exam(world, EVERYTHING)
    if not exam.examples.labels.any() or not exam.rest:
        return []
    progress("open basket: as served")
    rows = {AS_SERVED: _figures(exam)}
    for generator in GENERATORS:
        progress(f"open basket: without {generator.value}")
        rows[f"without {generator.value}"] = _figures(_exam(world, EVERYTHING.without(generator)))
    owners = np.array([hidden.target.customer for hidden in exam.rest], np.int64)
    return [section("basket: one product hidden", rows, owners)]


def _exam(world: World, switches: Switches) -> Exam:
    return exam_of(replace(world, knowledge=replace(world.knowledge, switches=switches)), JUDGED_SHARE)


def _figures(exam: Exam) -> Figures:
    judged = exam.judged(fit(exam.examples, ROUNDS, **PARAMETERS))
    return columns(figures_of_places(judged.places), _SHOWN)
