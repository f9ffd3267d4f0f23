"""The vault of keys: one wrapped key per subject, in a database of its own."""

from collections.abc import Collection, Mapping
from uuid import UUID

from shared.db import Database


async def wrapped_keys(vault: Database, key_ids: Collection[UUID]) -> dict[UUID, bytes]:
    """Return the wrapped keys that exist."""
    rows = await vault.fetch("SELECT key_id, wrapped FROM subject_keys WHERE key_id = ANY($1::uuid[])", list(key_ids))
    return {row["key_id"]: row["wrapped"] for row in rows}


async def add_wrapped_keys(vault: Database, wrapped: Mapping[UUID, bytes]) -> dict[UUID, bytes]:
    """Store new keys in a commit of their own; return the keys as they are now.

    Of two processes that make one subject's key the first wins.
    """
    ordered = sorted(wrapped, key=lambda key_id: key_id.int)
    await vault.execute(
        "INSERT INTO subject_keys (key_id, wrapped) SELECT * FROM unnest($1::uuid[], $2::bytea[])"
        " ON CONFLICT DO NOTHING",
        ordered,
        [wrapped[key_id] for key_id in ordered],
    )
    return await wrapped_keys(vault, ordered)


async def destroy_keys(vault: Database, key_ids: Collection[UUID]) -> int:
    """Delete keys for good; return how many there were."""
    return await vault.execute("DELETE FROM subject_keys WHERE key_id = ANY($1::uuid[])", list(key_ids))
