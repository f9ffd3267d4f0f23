"""Experiments as they are kept, and what their results are counted from."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.recommend.domain.diversity import Diversity
from services.recommend.domain.experiments import Experiment, Method, State, Switch, Treatment, Variant
from services.recommend.domain.outcomes import Counted, Tally
from services.recommend.domain.requests import Placement
from shared.db import Database, Row, Transaction

EXPERIMENTS_MAX = 1000
UNITS_AT_ONCE = 300
_RULE_LISTS = ("rules_on", "rules_off")
LISTS_OF_ONE_MAX = 300
"""Of one person; what asks more often is a script, and would hide everybody else."""


@dataclass(frozen=True, slots=True)
class ShownList:
    """A list of an experiment, and which of its products were acted on."""

    unit: str
    variant: str
    request_id: UUID
    shown_at: datetime
    customer_id: UUID | None
    fallback_level: int
    took_ms: float | None
    product_ids: list[str]
    teams: list[int] | None
    acted_on: list[str]


async def only_one_changes(tx: Transaction) -> None:
    """Let no two changes of experiments, nor of the versions that are kept for them, run at once."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('recommend.experiments', 0))")


async def insert(tx: Transaction, experiment: Experiment, actor: str) -> bool:
    """Keep a draft; say whether its id was free."""
    return bool(
        await tx.execute(
            "INSERT INTO experiments (experiment_id, about, method, layer, placements, share, variants,"
            " attribution_days, state, created_at, created_by)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'draft', $9, $10) ON CONFLICT DO NOTHING",
            experiment.experiment_id,
            experiment.about,
            experiment.method.value,
            experiment.layer,
            sorted(placement.value for placement in experiment.placements),
            experiment.share,
            [_variant_document(variant) for variant in experiment.variants],
            experiment.attribution_days,
            experiment.created_at,
            actor,
        )
    )


async def change_state(tx: Transaction, experiment: Experiment) -> None:
    """Write down that an experiment started or stopped."""
    first, end = experiment.places or (None, None)
    await tx.execute(
        "UPDATE experiments SET state = $2, first_place = $3, end_place = $4, started_at = $5, stopped_at = $6"
        " WHERE experiment_id = $1",
        experiment.experiment_id,
        experiment.state.value,
        first,
        end,
        experiment.started_at,
        experiment.stopped_at,
    )


async def find(session: Transaction, experiment_id: str) -> Experiment | None:
    row = await session.fetchrow("SELECT * FROM experiments WHERE experiment_id = $1", experiment_id)
    return None if row is None else experiment_of(row)


async def count(session: Transaction) -> int:
    found: int = await session.fetchval("SELECT count(*) FROM experiments")
    return found


async def everything(session: Transaction) -> list[Experiment]:
    """Return all, the newest first."""
    rows = await session.fetch(
        "SELECT * FROM experiments ORDER BY created_at DESC, experiment_id LIMIT $1", EXPERIMENTS_MAX
    )
    return [experiment_of(row) for row in rows]


async def in_state(session: Transaction, *states: State) -> list[Experiment]:
    rows = await session.fetch(
        "SELECT * FROM experiments WHERE state = ANY($1) ORDER BY experiment_id", [state.value for state in states]
    )
    return [experiment_of(row) for row in rows]


async def unfinished(session: Transaction, now: datetime) -> list[Experiment]:
    """Return those whose figures can still change: running, or stopped with purchases still to be credited."""
    rows = await session.fetch(
        "SELECT e.* FROM experiments e LEFT JOIN experiment_results r USING (experiment_id) WHERE e.state = 'running'"
        " OR (e.state = 'stopped' AND e.started_at IS NOT NULL AND (r.as_of IS NULL OR"
        " r.as_of < e.stopped_at + make_interval(days => e.attribution_days))"
        " AND $1 >= e.stopped_at) ORDER BY e.experiment_id",
        now,
    )
    return [experiment_of(row) for row in rows]


def experiment_of(row: Row) -> Experiment:
    places = None if row["first_place"] is None else (row["first_place"], row["end_place"])
    return Experiment(
        experiment_id=row["experiment_id"],
        about=row["about"],
        method=Method(row["method"]),
        layer=row["layer"],
        placements=frozenset(Placement(name) for name in row["placements"]),
        share=row["share"],
        variants=tuple(_variant_of(document) for document in row["variants"]),
        attribution_days=row["attribution_days"],
        state=State(row["state"]),
        places=places,
        created_at=row["created_at"],
        started_at=row["started_at"],
        stopped_at=row["stopped_at"],
    )


def _variant_document(variant: Variant) -> dict[str, Any]:
    treatment = asdict(variant.treatment)
    switch = treatment["switch"]
    switch |= {name: [str(rule_id) for rule_id in switch[name]] for name in _RULE_LISTS}
    return {"name": variant.name, "weight": variant.weight, "treatment": treatment}


def _variant_of(document: dict[str, Any]) -> Variant:
    treatment = document["treatment"]
    diversity = treatment.get("diversity")
    return Variant(
        document["name"],
        document["weight"],
        Treatment(
            **{
                **treatment,
                "diversity": None if diversity is None else Diversity(diversity),
                "switch": _switch_of(treatment.get("switch", {})),
            }
        ),
    )


def _switch_of(document: dict[str, Any]) -> Switch:
    lists = {name: tuple(UUID(rule_id) for rule_id in document.get(name, ())) for name in _RULE_LISTS}
    return Switch(**{**document, **lists})


async def lists_after(
    database: Database, experiment_id: str, unit: str, until: datetime
) -> tuple[list[ShownList], int]:
    """Return the lists of the next people after a unit, and of how many of them only the first lists."""
    rows = await database.fetch(
        "WITH page AS (SELECT DISTINCT unit FROM shown WHERE experiment_id = $1 AND unit > $2 AND shown_at <= $5"
        " ORDER BY unit LIMIT $3),"
        " lists AS (SELECT s.*, row_number() OVER (PARTITION BY s.unit ORDER BY s.shown_at, s.request_id) AS n"
        " FROM shown s JOIN page USING (unit) WHERE s.experiment_id = $1 AND s.shown_at <= $5)"
        " SELECT l.unit, l.variant, l.request_id, l.shown_at, l.customer_id, l.fallback_level, l.took_ms,"
        " l.product_ids, l.teams, l.n, coalesce((SELECT array_agg(DISTINCT a.product_id) FROM activity a"
        " WHERE a.request_id = l.request_id AND a.action <> 'impression'), '{}') AS acted_on"
        " FROM lists l WHERE l.n <= $4 + 1 ORDER BY l.unit, l.n",
        experiment_id,
        unit,
        UNITS_AT_ONCE,
        LISTS_OF_ONE_MAX,
        until,
    )
    kept = [row for row in rows if row["n"] <= LISTS_OF_ONE_MAX]
    return [_shown_list(row) for row in kept], len(rows) - len(kept)


def _shown_list(row: Row) -> ShownList:
    return ShownList(**{name: row[name] for name in ShownList.__slots__})


async def keep_result(session: Transaction, experiment_id: str, counted: Counted) -> None:
    await session.execute(
        "INSERT INTO experiment_results (experiment_id, as_of, people_cut, tallies) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (experiment_id) DO UPDATE SET as_of = excluded.as_of,"
        " people_cut = excluded.people_cut, tallies = excluded.tallies",
        experiment_id,
        counted.as_of,
        counted.people_cut,
        {name: tally.to_json() for name, tally in counted.tallies.items()},
    )


async def result(session: Transaction, experiment_id: str) -> Counted | None:
    row = await session.fetchrow(
        "SELECT as_of, people_cut, tallies FROM experiment_results WHERE experiment_id = $1", experiment_id
    )
    if row is None:
        return None
    tallies = {name: Tally.of_json(raw) for name, raw in row["tallies"].items()}
    return Counted(row["as_of"], tallies, row["people_cut"])


async def model_versions_held(session: Transaction) -> frozenset[str]:
    """Return the trained versions that experiments which run, or may be started, name."""
    held: set[str] = set()
    for experiment in await in_state(session, State.DRAFT, State.RUNNING):
        held |= experiment.model_versions
    return frozenset(held)
