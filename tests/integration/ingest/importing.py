"""Files sent to ingest and worked off, for the tests of imports."""

import csv
import io
from typing import Any

import httpx

from services.ingest.app import imports_of
from services.ingest.handlers.accepting.acceptor import Acceptor
from services.ingest.handlers.files.import_work import ImportWork
from services.ingest.handlers.quality.cataloguing import CodeBook
from services.ingest.handlers.sources.counting import Tally
from tests.integration.ingest.conftest import Running

PRODUCTS = b"SKU,Product name,Brand,Category,Foo\n0042,Cheddar,Dairyland,GROCERY > CHEESE,x\n0043,Brie,,,\n"


def work_of(ingest: Running, batch_items: int = 2) -> ImportWork:
    state = ingest.app.state.ingest
    imports = imports_of(ingest.settings, ingest.database, state.vault, state.secrets)
    acceptor = Acceptor(
        ingest.database, state.vault, state.secrets, ingest.settings.identity_policy, state.held, state.closed
    )
    tally, codes = Tally(ingest.database, ingest.settings.time_zone), CodeBook(ingest.database)
    return ImportWork(imports, acceptor, tally, codes, state.clock, batch_items)


async def upload(ingest: Running, body: bytes, key: str | None = None, **query: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key or ingest.keys.admin}", "Content-Type": "text/csv"}
    return await ingest.client.post("/v1/imports", params=query, content=body, headers=headers)


async def imported(ingest: Running, body: bytes, **query: Any) -> dict[str, Any]:
    """Upload a file, work it off, return how it ended."""
    answer = await upload(ingest, body, **query)
    assert answer.status_code in {200, 201}, answer.text
    await work_of(ingest).run()
    found: dict[str, Any] = (await ingest.get(f"/v1/imports/{answer.json()['import_id']}")).json()
    return found


async def report_of(ingest: Running, import_id: str) -> list[dict[str, str]]:
    answer = await ingest.get(f"/v1/imports/{import_id}/report")
    assert answer.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
