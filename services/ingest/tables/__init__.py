"""The tables of ingest, and of the vault of keys beside it; all owned: nothing here can be rebuilt from elsewhere."""

# Importing a module declares its tables.
from services.ingest.tables import accepted, files, identity, privacy, senders
from services.ingest.tables.base import metadata, vault_metadata
from shared.http.tables import idempotency_table
from shared.log.tables import declare_hook_failures, declare_log, declare_retention
from shared.worker.tables import declare_schedule

__all__ = ["accepted", "files", "identity", "metadata", "privacy", "senders", "vault_metadata"]

declare_log(metadata)
declare_hook_failures(metadata)
declare_retention(metadata)
declare_schedule(metadata)
idempotency_table(metadata)
