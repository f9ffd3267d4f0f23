"""A decision is executed and said once, whenever its worker's session, or its process, dies beside it."""

import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import orjson
import pytest

from services.ingest.settings import Settings
from shared.db import DatabaseAwayError, Transaction
from shared.events.customers import IdentityDecidedV1, SubjectAssignedV1
from shared.log import Outgoing
from shared.log.domain import Waiting
from tests.faults.harness import Child, python
from tests.fixtures.waiting import until
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
    monkeypatch.setattr("services.ingest.handlers.identity.deciding.WAIT_SECONDS", 0.0)
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


@pytest.fixture
def killed(settings: Settings, tmp_path: Path) -> Iterator[Callable[[str], Awaitable[None]]]:
    """Return what runs a worker's numbering in a process of its own until it is killed by SIGKILL in this phase."""
    secret = ("database_url", "vault_database_url", "service_key", "deployment_key")
    fields = {"bootstrap_servers": "127.0.0.1:1", "port": 8001, "currency": "CNY", "time_zone": "Asia/Shanghai"}
    told = {name: getattr(settings, name).get_secret_value() for name in secret}
    folder = {"keys_file": str(settings.keys_file), "data_dir": str(tmp_path)}
    settings_file = tmp_path / "settings.json"
    settings_file.write_bytes(orjson.dumps({**fields, **told, **folder}))
    children: list[Child] = []

    async def run(phase: str) -> None:
        words = (str(settings_file), phase)
        child = Child("numbering", python("tests.fixtures.processes.numbering_process", *words), tmp_path)
        children.append(child)
        child.start()

        async def ended() -> bool:
            return child.exit_code is not None

        await until(ended, 60)
        assert child.exit_code == -signal.SIGKILL, child.log_file.read_text()

    yield run
    for child in children:
        child.kill()


@pytest.mark.parametrize("phase", ["executed", "committed"])
async def test_a_decision_is_executed_once_though_its_process_is_killed(
    ingest: Running,
    killed: Callable[[str], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
    phase: str,
) -> None:
    monkeypatch.setattr("services.ingest.handlers.identity.deciding.WAIT_SECONDS", 0.0)
    await said_together(ingest, 1, CARD, PHONE)
    card, phone = await resolved(ingest, CARD), await resolved(ingest, PHONE)
    path = f"/v1/identities/{card['customer_id']}:unmerge"
    await ingest.post(path, {"subject_ids": [phone["subject_id"]], **BECAUSE})
    await killed(phase)
    is_done = phase == "committed"
    assert await customers(ingest, CARD, PHONE) == [card["subject_id"], (phone if is_done else card)["subject_id"]]
    await ingest.number()
    decisions, assigned = await said(ingest)
    assert decisions == ["unmerged"]
    assert set(assigned.values()) == {1}
    assert await customers(ingest, CARD, PHONE) == [card["subject_id"], phone["subject_id"]]


@pytest.mark.parametrize("phase", ["executed", "committed"])
async def test_a_link_is_made_once_though_its_process_is_killed(
    ingest: Running, killed: Callable[[str], Awaitable[None]], phase: str
) -> None:
    named = {"identifiers": [CARD, PHONE], "contact": {"given_name": "Anna", "birthday": "1990-05-17"}}
    await ingest.results("/v1/customers", named)
    await killed(phase)
    assert await ingest.count("marks") == (2 if phase == "committed" else 0)
    await ingest.number()
    assert await ingest.count("marks") == 2
    _, assigned = await said(ingest)
    assert set(assigned.values()) == {1}
    card, phone = await customers(ingest, CARD, PHONE)
    assert card == phone
