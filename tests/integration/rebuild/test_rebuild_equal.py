"""A rebuild makes the derived tables again, byte for byte, and touches nothing else."""

import asyncio

import pytest

from shared import migrations
from tests.integration.rebuild.world import NAMES, Living

pytestmark = pytest.mark.postgres
LOG = ("events", "numbered", "unnumbered", "leases")
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
