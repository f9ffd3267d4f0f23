"""`GET /v1/quality`: the rules of quality, and how often each was needed."""

from typing import Annotated

from fastapi import Query

from services.ingest.api.dependencies import IngestDep, Reader
from services.ingest.domain.quality import RULES, Rule, rule_of
from services.ingest.schemas.sources import QualityOfSourceOut, QualityOut, QualityRuleOut
from services.ingest.store import figures
from services.ingest.store.figures import QualityRow
from shared.http.body import Router

router = Router(tags=["quality"])

SOURCES_MAX = 50


@router.get("/v1/quality")
async def get_quality(
    ingest: IngestDep,
    _caller: Reader,
    source_id: Annotated[str | None, Query(max_length=128, description="left out: all sources together")] = None,
) -> QualityOut:
    """List every rule of quality with how often it changed or refused something, and for whom.

    What each event had corrected stands in its result; what was sent stays sealed in the archive.
    """
    await ingest.tally.flush()
    found: dict[str, list[QualityRow]] = {name: [] for name in RULES}
    for row in await figures.quality(ingest.database, source_id, SOURCES_MAX):
        found.setdefault(row.rule, []).append(row)
    return QualityOut(rules=[_shown(rule_of(name), rows) for name, rows in found.items()])


def _shown(rule: Rule, rows: list[QualityRow]) -> QualityRuleOut:
    total = next((row for row in rows if not row.source_id), None)
    return QualityRuleOut(
        rule=rule.name,
        way=rule.way.value,
        says=rule.says,
        times=0 if total is None else total.times,
        last_at=None if total is None else total.last_at,
        sources=[
            QualityOfSourceOut(source_id=row.source_id, times=row.times, last_at=row.last_at)
            for row in rows
            if row.source_id
        ],
    )
