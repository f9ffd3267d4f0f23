"""An export is complete: every table of every service is walked, and says what it holds of a person."""

import importlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Column, MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from services.ingest.holdings import VAULT_HOLDINGS
from services.ingest.tables import vault_metadata
from shared.customers.holdings import Held, Holding, exported
from shared.db import Database, Transaction
from tests.contract.conftest import NAMES, Ready, Served

pytestmark = pytest.mark.postgres

PERSON = UUID(int=4242)
OTHER = UUID(int=1717)
OF_PEOPLE = frozenset({"subject_id", "customer_id", "subject_ids", "customer_ids"})
MIGRATIONS_OWN = "alembic_version"


def holdings_of(name: str) -> Mapping[str, Holding]:
    found: Mapping[str, Holding] = importlib.import_module(f"services.{name}.holdings").HOLDINGS
    return found


def metadata_of(name: str) -> MetaData:
    found: MetaData = importlib.import_module(f"services.{name}.tables").metadata
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_table_says_what_it_holds_of_a_person(name: str) -> None:
    declared = set(holdings_of(name))
    there = set(metadata_of(name).tables)
    assert there - declared == set(), f"services/{name}/holdings.py has no line for these"
    assert declared - there == set(), f"services/{name}/holdings.py still tells of these"


def test_the_vault_of_keys_says_so_too() -> None:
    assert set(VAULT_HOLDINGS) == set(vault_metadata.tables)


@pytest.mark.parametrize("name", NAMES)
def test_no_table_with_a_persons_column_claims_to_be_nobodys(name: str) -> None:
    for table, holding in holdings_of(name).items():
        columns = {column.name for column in metadata_of(name).tables[table].columns}
        assert isinstance(holding, Held) or not columns & OF_PEOPLE, table
        assert isinstance(holding, Held) or holding.reason, table


@pytest.mark.parametrize("ready", NAMES, indirect=True)
async def test_a_row_in_any_table_of_people_is_in_the_export_and_nobody_elses_is(ready: Ready) -> None:
    """Every table is shadowed by an empty one without constraints, with one row of the person and one of another."""
    name = ready.service.name
    dsn = ready.settings.database_url.get_secret_value()
    database = await Database.connect(dsn, application="tests")
    try:
        async with database.transaction() as tx:
            for table in metadata_of(name).sorted_tables:
                await shadow(tx, table)
            found = await exported(tx, holdings_of(name), PERSON)
    finally:
        await database.close()
    expected = {table for table, holding in holdings_of(name).items() if isinstance(holding, Held)}
    assert set(found.tables) == expected
    for held, rows in found.tables.items():
        assert len(rows) == 1, held
        assert str(OTHER) not in str(rows), held


async def shadow(tx: Transaction, table: Table) -> None:
    """Put an unconstrained temporary table in front of a table; fill it with a row of each of two people."""
    bare = Table(
        table.name, MetaData(), *(Column(one.name, one.type) for one in table.columns), prefixes=["TEMPORARY"]
    )
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    await tx.execute(f"{CreateTable(bare).compile(dialect=dialect)} ON COMMIT DROP")
    for person in (PERSON, OTHER):
        values = [value_of(column, person) for column in table.columns]
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        await tx.execute(f"INSERT INTO {table.name} VALUES ({places})", *values)


def value_of(column: Column[Any], person: UUID) -> Any:
    """Return a value that names the person wherever the type allows it."""
    kind = column.type.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    by_type = {"UUID": person, "UUID[]": [person], "TEXT": str(person), "BYTEA": f'{{"who": "{person}"}}'.encode()}
    return by_type.get(kind)


@pytest.mark.parametrize("ready", [name for name in NAMES if name != "ingest"], indirect=True)
async def test_the_route_answers_for_a_purpose(served: Served) -> None:
    path = f"/v1/customers/{PERSON}/export"
    answer = await served.client.get(path, params={"purpose": "asked for"})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"customer_id": str(PERSON), "tables": {}, "truncated": []}
    assert (await served.client.get(path)).status_code == 422
    assert (await served.stranger.get(path, params={"purpose": "asked for"})).status_code == 401
