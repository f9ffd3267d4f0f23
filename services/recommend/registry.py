"""Owns this service's versions: training one with its figures, storing it, reading the one in use."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from services.recommend.assortment import Assortment
from services.recommend.domain.products import Product
from services.recommend.generators.switches import EVERYTHING, Switches, names_of
from services.recommend.knowledge import learn
from services.recommend.model import SPARE_FILES, Model, files_of, model_of
from services.recommend.ranking.ranker import DEFAULT_PARAMETERS, DEFAULT_ROUNDS
from services.recommend.training.dataset import Dataset
from services.recommend.training.fitting import assembled, fit_rankers
from services.recommend.training.holdout import GATE_METRIC, holdout_metrics
from services.recommend.training.in_basket import fit_in_basket, world_at
from services.recommend.training.origins import HORIZON_DAYS, Origin, origin_at, training_cuts
from shared.registry import Gate, Manifest, Metric, Registry, code_version, not_worse

log = structlog.get_logger()

SERVICE = "recommend"
GATE: Gate = not_worse(GATE_METRIC, tolerance=0.01)


Say = Callable[[str], None]


def train_version(  # noqa: PLR0913, PLR0917 (what is learned from, when, and who hears of it)
    registry: Registry,
    dataset: Dataset,
    assortment: Assortment,
    as_of: float,
    now: datetime,
    say: Say,
    switches: Switches = EVERYTHING,
) -> Manifest:
    """Train on receipts before `as_of` (days since 1970 UTC), judge on the last four weeks, store; promote nothing.

    The rankers learn from targets before the last four weeks, are scored once on those, and then rank with
    everything learned up to `as_of`. Raises TooLittleDataError.
    """
    test_cut = as_of - HORIZON_DAYS
    origins = _origins(dataset, training_cuts(dataset, test_cut), say)
    rankers = fit_rankers(dataset, assortment, origins, switches=switches)
    say(f"judging on what was bought after {_time(test_cut):.10}, which training has not seen")
    metrics = holdout_metrics(dataset, assortment, rankers, test_cut, switches)
    say("hiding products of open baskets, to learn to find them")
    judged = fit_in_basket(world_at(dataset, assortment, test_cut, switches=switches))
    if judged is not None:
        metrics = {**metrics, **judged.metrics()}
    say("learning neighbours, companions and item vectors from everything")
    knowledge = replace(learn(dataset, assortment, as_of), switches=switches)
    model = assembled(dataset, knowledge, rankers, judged.kept if judged else None)
    return registry.save(_manifest(dataset, metrics, as_of, now, switches), files_of(model))


def _origins(dataset: Dataset, cuts: Sequence[float], say: Say) -> Iterator[Origin]:
    for number, cut in enumerate(cuts, 1):
        say(f"what was bought in the four weeks after {_time(cut):.10} ({number} of {len(cuts)})")
        yield origin_at(dataset, cut)
    say("fitting the rankers")


def load_model(registry: Registry, known: Mapping[str, Product], version: str | None = None) -> Model:
    """Read a version (by default the one in use) over the current catalogue. Raises RegistryError's kinds."""
    stored = registry.load(version, SPARE_FILES)
    lost = sorted(stored.manifest.files.keys() - stored.files.keys())
    if lost:
        log.warning("model.without_nets", version=stored.manifest.version, lost=lost)
    return model_of(stored.files, known, stored.manifest.version)


def _manifest(
    dataset: Dataset, metrics: Mapping[str, Metric], as_of: float, now: datetime, switches: Switches
) -> Manifest:
    return Manifest(
        service=SERVICE,
        created_at=now.isoformat(),
        window_from=_time(float(dataset.at.min())),
        window_until=_time(as_of),
        code_version=code_version(Path(__file__).parent),
        parameters={
            **DEFAULT_PARAMETERS,
            "rounds": DEFAULT_ROUNDS,
            "customers": len(dataset.customer_ids),
            "generators_off": names_of(switches.off),
        },
        metrics=metrics,
    )


def _time(days: float) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)).isoformat()
