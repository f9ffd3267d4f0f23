"""Experiments: define, start, stop, and say what they have shown so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.recommend.domain.experiments import (
    Experiment,
    Method,
    State,
    definition_faults,
    expected_shares,
    free_places,
    start_faults,
)
from services.recommend.domain.outcomes import FIGURES, Counted, Tally
from services.recommend.domain.significance import (
    PEOPLE_LEAST,
    Difference,
    Estimate,
    Preference,
    RatioCheck,
    difference,
    preference,
    ratio,
    ratio_check,
)
from services.recommend.errors import ExperimentExists, ExperimentNotFound, ExperimentRefused, InvalidExperiment
from services.recommend.store import experiments as store
from services.recommend.store import rules
from shared.db import Database, Transaction
from shared.registry import Registry, RegistryError

OTHER_VERSIONS_MAX = 2
"""How many trained versions beside the one in use may take part: each costs its memory in every API process."""


@dataclass(frozen=True, slots=True)
class VariantResult:
    """One variant's figures; `against_first` is each figure less the first variant's, empty for that itself."""

    name: str
    people: int
    figures: Mapping[str, Estimate]
    against_first: Mapping[str, Difference]


@dataclass(frozen=True, slots=True)
class Result:
    """What an experiment has shown. Empty of variants until it was counted for the first time."""

    experiment: Experiment
    as_of: datetime | None
    variants: Sequence[VariantResult]
    ratio: RatioCheck | None
    preference: Preference | None
    people_cut: int
    warnings: Sequence[str]


async def create(database: Database, registry: Registry, experiment: Experiment, actor: str) -> Experiment:
    """Keep a draft. Raises InvalidExperiment, ExperimentExists."""
    _refuse_faults(definition_faults(experiment))
    async with database.transaction() as tx:
        await store.only_one_changes(tx)
        _refuse_unknown_versions(registry, experiment)
        await _refuse_unknown_rules(tx, experiment)
        if await store.count(tx) >= store.EXPERIMENTS_MAX:
            raise ExperimentRefused(f"there are {store.EXPERIMENTS_MAX} experiments, which is all that are kept")
        if not await store.insert(tx, experiment, actor):
            raise ExperimentExists("there is an experiment of this id; choose another", field="/id")
    return experiment


async def start(database: Database, registry: Registry, experiment_id: str, now: datetime) -> Experiment:
    """Let it take part from now on. Raises ExperimentNotFound, ExperimentRefused, InvalidExperiment."""
    async with database.transaction() as tx:
        await store.only_one_changes(tx)
        found = await _existing(tx, experiment_id)
        if found.state is not State.DRAFT:
            raise ExperimentRefused(f"it is {found.state.value}; create another of the same definition to go on")
        _refuse_unknown_versions(registry, found)
        await _refuse_unknown_rules(tx, found)
        running = await store.in_state(tx, State.RUNNING)
        _refuse_faults(start_faults(found, running))
        _refuse_too_many_versions(found, running)
        taken = [each.places for each in running if each.layer == found.layer and each.places]
        places = free_places(taken, found.wanted_places)
        started = replace(found, state=State.RUNNING, places=places, started_at=now)
        await store.change_state(tx, started)
    return started


async def stop(database: Database, experiment_id: str, now: datetime) -> Experiment:
    """Let nobody take part from now on; its figures are counted until the last purchase may be credited.

    Stopping what is stopped changes nothing. Raises ExperimentNotFound.
    """
    async with database.transaction() as tx:
        await store.only_one_changes(tx)
        found = await _existing(tx, experiment_id)
        if found.state is State.STOPPED:
            return found
        stopped = replace(found, state=State.STOPPED, stopped_at=now)
        await store.change_state(tx, stopped)
    return stopped


async def everything(database: Database) -> list[Experiment]:
    async with database.session() as session:
        return await store.everything(session)


async def result(database: Database, experiment_id: str) -> Result:
    """Return what was counted last, and what it proves. Raises ExperimentNotFound."""
    async with database.session() as session:
        experiment = await _existing(session, experiment_id)
        counted = await store.result(session, experiment_id)
    if counted is None:
        return Result(experiment, None, (), None, None, 0, ("not counted yet: the worker counts every few minutes",))
    return result_of(experiment, counted)


def result_of(experiment: Experiment, counted: Counted) -> Result:
    """Return what tallies prove; the first variant is what the others are compared with."""
    tallies = counted.tallies
    if experiment.method is Method.INTERLEAVING:
        whole = next(iter(tallies.values()), Tally())
        found = [_variant_result(name, tally, tally) for name, tally in tallies.items()]
        liked = preference(whole.wins, whole.losses, whole.ties)
        warnings = _warnings(experiment, counted, None)
        return Result(experiment, counted.as_of, found, None, liked, counted.people_cut, warnings)
    names = [variant.name for variant in experiment.variants]
    first = tallies.get(names[0], Tally())
    found = [_variant_result(name, tallies.get(name, Tally()), first) for name in names]
    check = ratio_check(expected_shares(experiment), {each.name: each.people for each in found})
    warnings = _warnings(experiment, counted, check)
    return Result(experiment, counted.as_of, found, check, None, counted.people_cut, warnings)


def _variant_result(name: str, tally: Tally, first: Tally) -> VariantResult:
    figures = {figure: ratio(tally.sums[figure], tally.people) for figure in FIGURES}
    differences = {
        figure: difference((first.sums[figure], first.people), (tally.sums[figure], tally.people))
        for figure in (FIGURES if tally is not first else ())
    }
    return VariantResult(
        name,
        tally.people,
        {figure: value for figure, value in figures.items() if value is not None},
        {figure: value for figure, value in differences.items() if value is not None},
    )


def _warnings(experiment: Experiment, counted: Counted, check: RatioCheck | None) -> list[str]:
    found = []
    if check is not None and check.is_alarming:
        found.append(
            "people did not come to the variants in their shares: something is broken, do not use the result"
        )
    if any(tally.people < PEOPLE_LEAST for tally in counted.tallies.values()):
        found.append(f"a variant has fewer than {PEOPLE_LEAST} people: intervals are not to be relied on")
    ripe_at = (experiment.stopped_at or counted.as_of) + timedelta(days=experiment.attribution_days)
    if counted.as_of < ripe_at:
        found.append(f"lists of the last {experiment.attribution_days} days can still lead to purchases")
    if experiment.state is State.RUNNING:
        found.append("it is running: decide on `always`, which may be looked at every day, or wait for the end")
    return found


async def _existing(session: Transaction, experiment_id: str) -> Experiment:
    found = await store.find(session, experiment_id)
    if found is None:
        raise ExperimentNotFound("there is no experiment of this id; GET /v1/experiments lists them")
    return found


def _refuse_faults(faults: Mapping[str, str]) -> None:
    for name, message in faults.items():
        raise InvalidExperiment(message, field=f"/{name}")


def _refuse_unknown_versions(registry: Registry, experiment: Experiment) -> None:
    try:
        known = {manifest.version for manifest in registry.versions()}
    except RegistryError as error:
        raise ExperimentRefused(f"the trained versions cannot be read: {error}") from error
    unknown = experiment.model_versions - known
    if unknown:
        missing = ", ".join(sorted(unknown))
        raise InvalidExperiment(f"no trained version {missing}; GET /v1/models lists them", field="/variants")


async def _refuse_unknown_rules(tx: Transaction, experiment: Experiment) -> None:
    wanted = experiment.rule_ids
    unknown = wanted - {row.rule_id for row in await rules.all_rules(tx)} if wanted else wanted
    if unknown:
        missing = ", ".join(sorted(map(str, unknown)))
        raise InvalidExperiment(f"no rule {missing}; GET /v1/rules lists them", field="/variants")


def _refuse_too_many_versions(experiment: Experiment, running: Sequence[Experiment]) -> None:
    named = experiment.model_versions.union(*(each.model_versions for each in running))
    if len(named) > OTHER_VERSIONS_MAX:
        raise ExperimentRefused(
            f"running experiments may name {OTHER_VERSIONS_MAX} trained versions together at most"
        )
