"""After a restore from an older back-up erased people stay erased: the ledger is no part of any back-up."""

import subprocess
from pathlib import Path

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from services.ingest.app import replay_ledger
from services.ingest.ledger import ErasedSubject, ErasureLedger
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.erasing import CARD, PHONE, customer_of, erase, sweeping

pytestmark = pytest.mark.postgres


def run(postgres: EmbeddedPostgres, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs."""
    command = [str(postgres._place().bin_dir / program), *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


async def test_whoever_a_restored_back_up_brings_back_is_erased_again(
    ingest: Running, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    person = {"identifiers": [CARD, PHONE], "contact": {"name": "Chen Li"}}
    await ingest.results("/v1/customers", person)
    await ingest.results("/v1/receipts", receipt(1, identifiers=[CARD]))
    await ingest.number()
    other = {"namespace": "loyalty_card", "value": "6009999999"}
    await ingest.results("/v1/receipts", receipt(2, identifiers=[other]))
    dumps = {dsn: str(tmp_path / name) for name, dsn in dsns(ingest).items()}
    for dsn, file in dumps.items():
        run(postgres, "pg_dump", "--format=custom", "--data-only", "--exclude-table=alembic_version", "-f", file, dsn)
    await erase(ingest, identifier=CARD)
    await empty(ingest)
    for dsn, file in dumps.items():
        run(postgres, "pg_restore", "--data-only", "-d", dsn, file)
    assert (await ingest.post("/v1/subjects:resolve", CARD)).json()["is_known"]
    assert await ingest.count("vault_entries") == 4

    assert await replay_ledger(ingest.settings) == 2
    await ingest.number()
    await sweeping(ingest).run()

    # Only the one who was never erased is left.
    assert await ingest.count("subjects") == 1
    assert await ingest.count("vault_entries") == 1
    keys = {row["key_id"] for row in await ingest.vault.fetch("SELECT key_id FROM subject_keys")}
    left = await ingest.database.fetch("SELECT subject_id FROM subjects")
    assert {row["subject_id"] for row in left} <= keys
    assert not keys & {
        row["subject_id"] for row in await ingest.database.fetch("SELECT subject_id FROM erased_subjects")
    }
    assert await ingest.count("erasures WHERE requested_by = 'ledger'") == 1
    ingest.app.state.ingest.closed.forget_age()
    (late,) = await ingest.results("/v1/receipts", receipt(9, identifiers=[CARD]))
    assert late["status"] == "accepted"
    await ingest.number()
    assert await ingest.count("subjects") == 1
    assert await replay_ledger(ingest.settings) == 0


async def test_an_identifier_stays_closed_when_the_back_up_is_older_than_the_person(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(1, identifiers=[PHONE]))
    await ingest.number()
    before = await customer_of(ingest, PHONE)
    await erase(ingest, identifier=PHONE)
    await empty(ingest)
    assert await replay_ledger(ingest.settings) == 0
    ingest.app.state.ingest.closed._last = 0
    ingest.app.state.ingest.closed.forget_age()
    assert await customer_of(ingest, PHONE) != before


async def test_the_ledger_holds_hashes_only_and_survives_half_a_line(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(1, identifiers=[PHONE]))
    await ingest.number()
    customer_id = await customer_of(ingest, PHONE)
    await erase(ingest, identifier=PHONE)
    path = ingest.settings.erasure_ledger_path
    written = path.read_bytes()
    assert customer_id.encode() not in written
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(written + b'{"at": "2026-')
    ledger = ErasureLedger(path)
    entries = ledger.read()
    more = ErasedSubject(b"0123456789abcdef", entries[0].at)
    await ledger.add([more])
    assert ledger.read() == [*entries, more]


def dsns(ingest: Running) -> dict[str, str]:
    return {
        "ingest": ingest.settings.database_url.get_secret_value(),
        "vault": ingest.settings.vault_database_url.get_secret_value(),
    }


async def empty(ingest: Running) -> None:
    """Empty both databases, as a restore finds them."""
    for database in (ingest.database, ingest.vault):
        tables = await database.fetchval(
            "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename <> 'alembic_version' AND tablename NOT LIKE '%\\_part\\_%'"
        )
        await database.execute(f"TRUNCATE {tables} RESTART IDENTITY")
