"""The sealed secrets of other systems' webhooks: the one in force, and the one before it while that is changed."""

from dataclasses import dataclass
from datetime import datetime

from shared.customers.assignments import Reads
from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """A source's sealed secrets, the newest first."""

    source_id: str
    sealed: tuple[bytes, ...]


async def put_secret(tx: Transaction, source_id: str, provider: str, sealed: bytes, at: datetime) -> None:
    """Put a secret in force; the one before it holds on until the next change."""
    await tx.execute(
        "INSERT INTO webhooks (source_id, provider, sealed, changed_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (source_id, provider) DO UPDATE SET sealed_before = webhooks.sealed, sealed = excluded.sealed,"
        " changed_at = excluded.changed_at",
        source_id,
        provider,
        sealed,
        at,
    )


async def secrets_of(reads: Reads, source_id: str, provider: str) -> WebhookSecrets | None:
    """Return a source's secrets; None where no webhook was connected."""
    rows = await reads.fetch(
        "SELECT sealed, sealed_before FROM webhooks WHERE source_id = $1 AND provider = $2", source_id, provider
    )
    if not rows:
        return None
    before = rows[0]["sealed_before"]
    return WebhookSecrets(source_id, (rows[0]["sealed"], *(() if before is None else (before,))))
