"""Owns this service's versions: training one with its figures, storing it, reading one, putting one into use."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from services.recommend.assortment import Assortment
from services.recommend.domain.products import Product
from services.recommend.gate import COMPARED_WITH, judge, model_faults
from services.recommend.generators.switches import EVERYTHING, Switches, names_of
from services.recommend.knowledge import learn
from services.recommend.model import SPARE_FILES, Model, files_of, model_of
from services.recommend.ranking.ranker import DEFAULT_PARAMETERS, DEFAULT_ROUNDS
from services.recommend.training.comparison import Figures, compared, in_basket_compared
from services.recommend.training.dataset import Dataset
from services.recommend.training.fitting import assembled, fit_rankers
from services.recommend.training.in_basket import PARAMETERS, ROUNDS, TRAINING_BASKETS, world_at
from services.recommend.training.nets import DEFAULTS as NET_DEFAULTS
from services.recommend.training.nets import NETS
from services.recommend.training.origins import HORIZON_DAYS, Origin, origin_at, training_cuts
from services.recommend.training.spending import Spending
from shared.registry import By, Gate, Manifest, Registry, RegistryError, Verdict, code_version

SERVICE = "recommend"
log = structlog.get_logger()

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
    spent = Spending()
    test_cut = as_of - HORIZON_DAYS
    origins = _origins(dataset, training_cuts(dataset, test_cut), say)
    rankers = fit_rankers(dataset, assortment, origins, switches=switches)
    say(f"judging on what was bought after {_time(test_cut):.10}, which training has not seen")
    other = in_use(registry, as_of)
    figures = compared(dataset, assortment, rankers, other, test_cut, switches)
    say("hiding products of open baskets, to learn to find them")
    judged = in_basket_compared(world_at(dataset, assortment, test_cut, switches=switches), other)
    if judged is not None:
        figures = figures.with_metrics(judged.metrics())
    say("learning neighbours, companions and item vectors from everything")
    knowledge = replace(learn(dataset, assortment, as_of), switches=switches)
    model = assembled(dataset, knowledge, rankers, judged.kept if judged else None)
    found = model.items.index
    say(f"similar products: {found.in_words()}")
    about = {
        "generators_off": names_of(switches.off),
        "vector_index": None if found.measured is None else asdict(found.measured),
        COMPARED_WITH: None if other is None else other.version,
        "in_basket_kept": judged is not None and judged.kept is not None,
        **spent.so_far(),
    }
    # What is no longer needed goes when the new version has been judged: see `prune`.
    return registry.save(_manifest(dataset, figures, as_of, now, about), files_of(model), prune=False)


def in_use(registry: Registry, as_of: float) -> Model | None:
    """Return the version in use to compare with; None where there is none, or it knows later receipts than these."""
    try:
        found = load_model(registry, {})
    except (RegistryError, ValueError, KeyError) as error:
        log.info("comparison.without", reason=str(error))
        return None
    return found if found.knowledge.as_of <= as_of else None


def promote(registry: Registry, version: str, by: By) -> Verdict:
    """Put a version into use if it can rank and is no worse. Raises RegistryError's kinds where it cannot be read."""
    registry.load(version)
    try:
        faults = list(model_faults(load_model(registry, {}, version)))
    except Exception as error:  # noqa: BLE001 - files that are whole but hold something else, of many libraries
        faults = [f"its files cannot be read as a model: {error}"]
    if faults:
        return registry.promote(version, _refusing("; ".join(faults)), by)
    return registry.promote(version, judge, by)


def _refusing(reason: str) -> Gate:
    return lambda _candidate, _in_use: Verdict(passed=False, reason=reason)


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
    dataset: Dataset, figures: Figures, as_of: float, now: datetime, about: Mapping[str, object]
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
            "nets": {"nets": NETS, **asdict(NET_DEFAULTS)},
            "in_basket": {**PARAMETERS, "rounds": ROUNDS, "baskets": TRAINING_BASKETS},
            "customers": len(dataset.customer_ids),
            **about,
        },
        metrics=figures.metrics,
        segments=figures.segments,
    )


def _time(days: float) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days)).isoformat()
