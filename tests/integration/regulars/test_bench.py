"""Every benchmark that needs a deployment, with tiny counts: it runs, and what it says was counted."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from regulars.bench import campaign, churn, ingest, lookup, start
from regulars.bench.bare import bare_server
from regulars.bench.figures import Figure
from regulars.bench.pace import connected, flat_out
from regulars.bench.receipts import Tills, batches, cards
from regulars.bench.temporary import Temporary, temporary_deployment
from regulars.bench.wire import Request
from shared.clock import SystemClock
from shared.db import Database

pytestmark = [pytest.mark.postgres, pytest.mark.broker]


@pytest.fixture(scope="module")
def deployment() -> Iterator[Temporary]:
    """One for all: the benchmarks leave it filled, and the same cards are customers of each."""
    with temporary_deployment(lambda _: None) as running:
        yield running


def _by_name(figures: Sequence[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


@pytest.mark.long
def test_the_start_is_timed_and_every_process_weighed(deployment: Temporary) -> None:
    found = _by_name(start.figures(deployment))
    assert found["five services healthy"].value > 0
    assert sum(name.endswith(", idle memory") for name in found) == 12
    assert found["memory in all"].value >= found["ingest api, idle memory"].value


@pytest.mark.long
def test_ingest_is_measured_beside_the_bare_application(deployment: Temporary) -> None:
    sizes = replace(
        ingest.Sizes(),
        receipts=200,
        repeats=100,
        singles=20,
        customers=40,
        visible_per_second=10,
        views_per_second=30,
        visible_seconds=2,
    )
    found = _by_name(ingest.measure(deployment, lambda _: None, sizes))
    accepted = found["receipts accepted, in batches"]
    assert accepted.ratio is not None
    assert accepted.ratio > 0
    assert found["receipts at 10/s, acknowledged → visible, p99"].value > 0
    assert found["product views at 30/s, acknowledged → visible, p99"].value > 0
    assert "ingest api" in found["processor time a receipt, all processes"].note


@pytest.mark.long
def test_a_capped_campaign_is_never_overdrawn(deployment: Temporary) -> None:
    found = _by_name(campaign.measure(deployment, lambda _: None, campaign.Sizes(customers=40, cap=10, tills=8)))
    assert found["redemptions over the cap"].value == 0
    assert found["redemptions of distinct codes"].value > 0


@pytest.mark.long
def test_churn_is_measured_on_real_households() -> None:
    with temporary_deployment(lambda _: None) as own:
        sizes = churn.Sizes(households=100, copies=2, per_second=10, seconds=2)
        found = _by_name(churn.measure(own, lambda _: None, sizes))
    assert found["customers scored"].value > 0
    assert found["training"].value > 0


async def test_the_bare_application_stores_each_key_once(database_dsn: str, database: Database) -> None:
    tills = Tills(SystemClock().now())
    fresh = [Request("POST", "/raw", request.body) for request in batches(tills.receipts(cards(3), 20), 10)]
    with bare_server(database_dsn) as address:
        async with connected(address, {}, 2) as opened:
            first = (await flat_out(opened, fresh)).checked()
            again = (await flat_out(opened, fresh)).checked()
            taken = await flat_out(opened, [Request("POST", "/take", b'{"key":"k","id":"cap"}')])
    assert [answer.json()["stored"] for answer in (*first.answers, *again.answers)] == [10, 10, 0, 0]
    assert taken.answers[0].json() == {"taken": True}
    assert await database.fetchval("SELECT count(*) FROM bare_raw") == 20
    assert await database.fetchval("SELECT uses FROM bare_caps") == 1


@pytest.mark.long
def test_everybody_asked_for_is_found_by_telephone_among_the_others() -> None:
    with temporary_deployment(lambda _: None) as own:
        sizes = lookup.Sizes(customers=3_000, asked=40, per_second=(50,))
        found = _by_name(lookup.measure(own, lambda _: None, sizes))
    assert found["look-up by phone (profile) at 50/s, p99"].value > 0
    assert found["whose phone it is (ingest) at 50/s, p99"].ratio is not None
    assert "profile api" in found["processor time a look-up at 50/s"].note
