"""Keys are made before the transaction that needs them, on every way into the archive."""

from collections.abc import Iterable
from uuid import UUID

import pytest

from services.ingest.vault import Vault
from tests.integration.ingest.conftest import Running, receipt

pytestmark = pytest.mark.postgres

IN_A_TRANSACTION = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
)


async def test_the_vault_is_asked_outside_of_every_transaction(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_at_call: list[int] = []
    keys_for = Vault.keys_for

    async def noting(vault: Vault, key_ids: Iterable[UUID]) -> dict[UUID, bytes]:
        open_at_call.append(await ingest.database.fetchval(IN_A_TRANSACTION))
        return await keys_for(vault, key_ids)

    monkeypatch.setattr(Vault, "keys_for", noting)
    plain = receipt(100, occurred_at="2026-03-01T09:00:00+08:00")
    # The till counts from the start again in the middle of its day: this one is stored alone.
    alone = receipt(1, occurred_at="2026-03-01T10:00:00+08:00")
    (first,) = await ingest.results("/v1/receipts", plain)
    (second,) = await ingest.results("/v1/receipts", alone)
    assert (first["status"], second["status"]) == ("accepted", "accepted")
    assert await ingest.count("terminal_epochs WHERE epoch = 1") == 1
    assert len(open_at_call) >= 2
    assert set(open_at_call) == {0}
