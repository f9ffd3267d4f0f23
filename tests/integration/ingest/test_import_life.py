"""How an import goes from its upload to its end: workers that die or wake up late, cancelled, expired, forgotten."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.ingest.app import open_work
from services.ingest.drafts import Draft, Rejected, Result
from services.ingest.handlers.accepting.acceptor import Also
from services.ingest.handlers.files import importing
from services.ingest.store import imports as store
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.importing import PRODUCTS, imported, upload, work_of

pytestmark = pytest.mark.postgres


async def test_the_same_file_after_a_cancelled_import_repeats_what_was_accepted(ingest: Running) -> None:
    answer = await upload(ingest, PRODUCTS, kind="products", name="products.csv")
    work = work_of(ingest)
    one = await store.next_import(ingest.database)
    assert one is not None
    await work.run()
    await ingest.database.execute("UPDATE imports SET state = 'cancelled'")
    again = await imported(ingest, PRODUCTS, kind="products", name="products.csv")
    assert again["import_id"] != answer.json()["import_id"]
    assert (again["progress"]["accepted"], again["progress"]["repeated"]) == (0, 2)
    assert await ingest.count("events") == 2


class Killed(BaseException):
    """A worker that is gone between two statements."""


async def test_a_killed_worker_loses_its_batch_alone_and_the_next_goes_on(ingest: Running) -> None:
    body = b"sku,name\n" + b"".join(b"P%d,Product\n" % number for number in range(11))
    answer = await upload(ingest, body, kind="products", name="p.csv")
    work = work_of(ingest)
    accept = work.acceptor.accept
    batches = 0

    class Failing:
        @staticmethod
        async def accept(inputs: Sequence[Draft | Rejected], also: Also) -> list[Result]:
            nonlocal batches
            batches += 1

            async def dying(tx: Any, results: Sequence[Result]) -> None:
                await also(tx, results)
                if batches == 3:
                    raise Killed

            return await accept(inputs, dying)

    with pytest.raises(Killed):
        await replace(work, acceptor=Failing()).run()  # type: ignore[arg-type]
    under_way = (await ingest.get(f"/v1/imports/{answer.json()['import_id']}")).json()
    assert (under_way["state"], under_way["progress"]["rows_read"]) == ("running", 4)
    assert await ingest.count("events") == 4
    await work.run()
    ended = (await ingest.get(f"/v1/imports/{answer.json()['import_id']}")).json()
    assert (ended["state"], ended["progress"]["accepted"], ended["progress"]["repeated"]) == ("done", 11, 0)
    assert await ingest.count("events") == 11


async def test_a_deposed_worker_that_wakes_up_stores_nothing(ingest: Running) -> None:
    body = b"sku,name\n" + b"".join(b"P%d,Product\n" % number for number in range(4))
    await upload(ingest, body, kind="products", name="p.csv")
    frozen = work_of(ingest)
    accept = frozen.acceptor.accept

    class Frozen:
        @staticmethod
        async def accept(inputs: Sequence[Draft | Rejected], also: Also) -> list[Result]:
            await work_of(ingest).run()
            return await accept(inputs, also)

    await replace(frozen, acceptor=Frozen()).run()  # type: ignore[arg-type]
    (one,) = (await ingest.get("/v1/imports")).json()["items"]
    assert (one["state"], one["progress"]["accepted"], one["progress"]["rows_read"]) == ("done", 4, 4)


async def test_a_quote_that_is_never_closed_fails_the_import_and_says_where(ingest: Running) -> None:
    body = b'sku,name\nP1,Good\nP2,"never closed\n' + b"x" * 140_000
    ended = await imported(ingest, body, kind="products", name="p.csv")
    assert ended["state"] == "failed"
    assert "unclosed quote" in ended["failure"]
    assert await ingest.count("import_chunks") == 0


async def test_an_import_is_cancelled_once_and_its_file_deleted(ingest: Running) -> None:
    answer = await upload(ingest, PRODUCTS, kind="products", name="products.csv", preview=True)
    where = f"/v1/imports/{answer.json()['import_id']}"
    headers = {"Authorization": f"Bearer {ingest.keys.admin}"}
    assert (await ingest.client.delete(where, headers=headers)).json()["state"] == "cancelled"
    assert await ingest.count("import_chunks") == 0
    again = await ingest.client.delete(where, headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "import_over")
    begun = await ingest.post(f"{where}:start", {})
    assert (begun.status_code, begun.json()["code"]) == (409, "import_over")
    unknown = await ingest.get("/v1/imports/00000000-0000-0000-0000-000000000000")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "import_not_found")


async def test_an_import_that_nobody_starts_expires_with_its_file(ingest: Running) -> None:
    await upload(ingest, PRODUCTS, kind="products", name="products.csv", preview=True)
    await ingest.database.execute("UPDATE imports SET changed_at = changed_at - $1::interval", timedelta(hours=25))
    await work_of(ingest).clean()
    (one,) = (await ingest.get("/v1/imports", state="expired")).json()["items"]
    assert one["state"] == "expired"
    assert await ingest.count("import_chunks") == 0


async def test_too_many_open_imports_are_refused_with_a_time_to_come_back(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "OPEN_MAX", 1)
    await upload(ingest, PRODUCTS, kind="products", name="products.csv", preview=True)
    answer = await upload(ingest, PRODUCTS, kind="products", name="products.csv")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_imports")
    assert int(answer.headers["Retry-After"]) > 0


async def test_a_large_file_is_kept_in_pieces_and_read_across_them(ingest: Running) -> None:
    lines = [f"P{number},{'x' * 180}" for number in range(12_000)]
    body = ("sku,name\n" + "\n".join(lines)).encode()
    assert len(body) > 2_000_000
    answer = await upload(ingest, body, kind="products", name="p.csv")
    assert answer.status_code == 201
    assert await ingest.count("import_chunks") == 3
    imports = ingest.app.state.ingest.imports
    one = await imports.found(answer.json()["import_id"])
    reader = await imports.reader(one.import_id, one.kind, importing._merged(one, None), one.size_bytes)
    assert await asyncio.to_thread(reader.count_rows) == 12_000


async def test_the_report_of_an_import_that_ended_long_ago_is_forgotten(ingest: Running) -> None:
    ended = await imported(ingest, b"sku,price\nP1,oops\n", kind="prices", name="prices.csv")
    await ingest.database.execute("UPDATE imports SET ended_at = ended_at - $1::interval", timedelta(days=91))
    await work_of(ingest).clean()
    assert (await ingest.get(f"/v1/imports/{ended['import_id']}")).status_code == 404
    assert await ingest.count("import_lines") == 0
    assert await ingest.count("refusals") == 1


async def test_the_worker_has_the_task_that_works_files_off(ingest: Running) -> None:
    await upload(ingest, PRODUCTS, kind="products", name="products.csv")
    async with open_work(ingest.settings, ingest.database) as work:
        tasks = {task.name: task for task in work.tasks}
        await tasks["imports-clean"].run()
        await tasks["imports"].run()
    (one,) = (await ingest.get("/v1/imports")).json()["items"]
    assert (one["state"], one["progress"]["accepted"]) == ("done", 2)
