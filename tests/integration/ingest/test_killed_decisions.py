"""A decision is executed and said once, whenever its worker's session dies beside it."""

from collections import Counter
from collections.abc import Sequence

import pytest

from shared.db import DatabaseAwayError, Transaction
from shared.events.customers import IdentityDecidedV1, SubjectAssignedV1
from shared.log import Outgoing
from shared.log.domain import Waiting
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.test_deciding import BECAUSE, customers, queue, said_together
from tests.integration.ingest.test_identities import CARD, PHONE, resolved
from tests.integration.ingest.test_watching import shopped, watching

pytestmark = pytest.mark.postgres
DIE = "SELECT pg_terminate_backend(pg_backend_pid())"


async def killed_while_numbering(ingest: Running) -> None:
    """Let a worker execute what waits, and lose its session before it commits."""

    async def dies(tx: Transaction, waiting: Sequence[Waiting]) -> Sequence[Outgoing]:
        said = await ingest.hook(tx, waiting)
        await tx.execute(DIE)
        return said

    with pytest.raises(DatabaseAwayError):
        await ingest.number(dies)


async def killed_while_looking(ingest: Running, partition: int) -> None:
    async with ingest.database.transaction() as tx:
        await watching(ingest)._look(tx, partition)
        await tx.execute(DIE)


async def said(ingest: Running) -> tuple[list[str], Counter[tuple[str, int]]]:
    """Return the decisions that were said, and how often each version of a subject's assignment."""
    told = [one.data for one in await ingest.envelopes()]
    decisions: list[str] = [one.decision for one in told if isinstance(one, IdentityDecidedV1)]
    assigned = [(str(one.subject_id), one.version) for one in told if isinstance(one, SubjectAssignedV1)]
    return decisions, Counter(assigned)


async def test_an_unmerge_is_said_once_though_its_worker_dies_twice_before_it_commits(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.handlers.deciding.WAIT_SECONDS", 0.0)
    await said_together(ingest, 1, CARD, PHONE)
    card, phone = await resolved(ingest, CARD), await resolved(ingest, PHONE)
    path = f"/v1/identities/{card['customer_id']}:unmerge"
    answer = await ingest.post(path, {"subject_ids": [phone["subject_id"]], **BECAUSE})
    assert answer.status_code == 202
    for _ in range(2):
        await killed_while_numbering(ingest)
        assert await customers(ingest, CARD, PHONE) == [card["subject_id"]] * 2
    await ingest.number()
    decisions, assigned = await said(ingest)
    assert decisions == ["unmerged"]
    assert set(assigned.values()) == {1}
    assert await customers(ingest, CARD, PHONE) == [card["subject_id"], phone["subject_id"]]
    numbered = await ingest.count("numbered")
    await ingest.number()
    assert await ingest.count("numbered") == numbered


async def test_links_are_said_once_though_their_worker_dies(ingest: Running) -> None:
    await said_together(ingest, 1, CARD)
    body = {"identifiers": [CARD, PHONE], "attributes": {"city": "Wuhan"}}
    await ingest.results("/v1/customers", body)
    await killed_while_numbering(ingest)
    await ingest.number()
    _, assigned = await said(ingest)
    assert set(assigned.values()) == {1}
    card, phone = await customers(ingest, CARD, PHONE)
    assert card == phone


async def test_what_a_watcher_finds_is_decided_once_though_it_dies_before_it_commits(ingest: Running) -> None:
    await shopped(ingest, 6)
    for partition in range(4):
        with pytest.raises(DatabaseAwayError):
            await killed_while_looking(ingest, partition)
    assert (await said(ingest))[0] == []
    for _ in range(2):
        await watching(ingest).run()
        await ingest.number()
    assert (await said(ingest))[0] == ["quarantined"]
    assert len(await queue(ingest)) == 1
