"""Training from the facts: a candidate by a split in time, stored, judged by the gate, put in use when it passes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from services.churn.artefacts import OutdatedModel, files_of, manifest_of, model_of
from services.churn.candidate import Candidate, make_candidate
from services.churn.history import WEEKDAY_OF_DAY_ZERO, History, day_number
from services.churn.scorer import Model
from services.churn.store.facts import first_day, last_day
from services.churn.store.history import read_history
from services.churn.training import FeatureHistory, NotEnoughHistory, TrainingSettings
from shared.db import Database
from shared.registry import By, Manifest, Registry, UnknownVersionError, Verdict

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Trained:
    """A version that was stored, and whether the gate let it into use."""

    manifest: Manifest
    verdict: Verdict


async def train(  # noqa: PLR0913 (all named where it is called)
    database: Database,
    registry: Registry,
    *,
    as_of: date | None,
    at: datetime,
    currency: str,
    category_level: int,
    progress: Progress,
    settings: TrainingSettings | None = None,
) -> Trained:
    """Train on everything up to the evening of `as_of` (None: all there is). Raises NotEnoughHistory."""
    since, newest = await first_day(database), await last_day(database)
    if since is None or newest is None:
        raise NotEnoughHistory("there are no receipts to learn from")
    until = newest if as_of is None else min(as_of, newest)
    history = await read_history(database, since=since, until=until, currency=currency, category_level=category_level)
    progress(f"{len(history.visits.day)} visits of {len(history.customer_ids)} customers, {since} to {until}")
    return await asyncio.to_thread(_train, history, registry, day_number(until) + 1, at, progress, settings)


def _train(  # noqa: PLR0913, PLR0917 (the rest of `train`, in a thread)
    history: History,
    registry: Registry,
    end: int,
    at: datetime,
    progress: Progress,
    settings: TrainingSettings | None,
) -> Trained:
    features = FeatureHistory(history.visits, weekday_of_day_zero=WEEKDAY_OF_DAY_ZERO)
    if not len(history.visits.day):
        raise NotEnoughHistory("no receipt belongs to a known customer")
    candidate = make_candidate(features, end, _in_use(registry), settings, progress)
    manifest = registry.save(manifest_of(candidate, at), files_of(candidate.model, features.at(end)))
    verdict = _verdict(candidate)
    registry.promote(manifest.version, lambda _candidate, _in_use: verdict, By.of("training", at))
    return Trained(manifest, verdict)


def _in_use(registry: Registry) -> Model | None:
    """Return the model to beat; None where there is none that this code could score with."""
    try:
        stored = registry.load()
        return model_of(stored.manifest, stored.files)
    except (UnknownVersionError, OutdatedModel):
        return None


def _verdict(candidate: Candidate) -> Verdict:
    failures = candidate.verdict.failures
    return Verdict(candidate.verdict.passed, "; ".join(failures) or "as good as the one in use, or better")
