"""A rebuild makes the derived tables again, byte for byte, and touches nothing else."""

import asyncio

import pytest

from shared import migrations
from shared.log.forgetting import forget_events
from tests.integration.rebuild.history import person
from tests.integration.rebuild.world import NAMES, Living

pytestmark = pytest.mark.postgres
LOG = ("events", "numbered", "unnumbered", "leases")
ERASED = person(3)
EACH_SERVICE = pytest.mark.parametrize("service_name", NAMES)


@EACH_SERVICE
async def test_rebuilt_tables_are_equal_and_owned_ones_untouched(live: Living) -> None:
    derived, owned = await live.rows("derived"), await live.rows("owned", without=["leases"])
    rebuilt = await live.rebuild()
    assert rebuilt.is_equal, rebuilt.findings
    assert rebuilt.is_swapped
    assert await live.rows("derived") == derived
    assert await live.rows("owned", without=["leases"]) == owned
    assert await live.schemas() == {"public"}
    await asyncio.to_thread(migrations.check, live.dsn, live.service.migrations)


@EACH_SERVICE
async def test_an_erased_person_is_as_gone_in_rebuilt_tables_as_in_live_ones(live: Living) -> None:
    """The log is rewritten behind what was applied: receipts are guests', all else has no body."""
    async with live.producer.transaction() as tx:
        while await forget_events(tx, [ERASED]):
            pass
        rows = await tx.fetch("SELECT body FROM events WHERE type <> 'CustomerErased'")
    assert any(row["body"] == b"" for row in rows)
    assert not any(str(ERASED).encode() in row["body"] for row in rows if b"SubjectAssigned" not in row["body"])
    rebuilt = await live.rebuild()
    assert rebuilt.is_equal, rebuilt.findings
