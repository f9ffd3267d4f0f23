"""Rule 11: the served log streams what is stored, and whoever is slow or gone holds neither memory nor a place."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from shared.db import Database
from shared.http.app import create_app
from shared.http.log import ServedLog, router
from shared.keys import KeyRing, issue_key, write_keys
from shared.log import LogReader
from tests.fixtures.core import PARTITIONS, TOPIC, number_all, page_view, say, subject_in
from tests.fixtures.waiting import until

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def numbered(producer: Database, count: int) -> None:
    subject = subject_in(0)
    await say(producer, [page_view(subject) for _ in range(count)])
    await number_all(producer)


def served(producer: Database, folder: Path) -> tuple[FastAPI, str]:
    """Return an application that serves the producer's log, and a key for it."""
    key, entry = issue_key("service", "profile")
    write_keys(folder / "keys.json", [entry])
    app = create_app(service="ingest", keys=KeyRing(folder / "keys.json"), routers=[router])
    app.state.log = ServedLog(producer, "ingest", [TOPIC], PARTITIONS)
    return app, key


@asynccontextmanager
async def asking(
    app: FastAPI, key: str, send: Send, query: bytes = b"limit=1000"
) -> AsyncIterator[asyncio.Task[None]]:
    """Ask for a page as a server does that hands each part to `send` and waits for it; leave when the block ends."""
    path = f"/v1/log/{TOPIC}/0"
    headers = [(b"authorization", f"Bearer {key}".encode())]
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode()}
    scope |= {"query_string": b"limit=1000"}
    scope |= {"headers": headers, "http_version": "1.1", "scheme": "http", "server": ("ingest", 80), "client": None}
    scope |= {"asgi": {"version": "3.0", "spec_version": "2.3"}, "root_path": "", "state": {}}
    asked = False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    answering = asyncio.ensure_future(app(scope, receive, send))  # type: ignore[arg-type]
    try:
        yield answering
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


async def test_a_page_goes_out_lot_by_lot_and_is_whole(
    producer: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.log.reader.LOT_EVENTS_MAX", 10)
    await numbered(producer, 35)
    app, key = served(producer, tmp_path)
    parts: list[bytes] = []

    async def send(message: dict[str, Any]) -> None:
        if message.get("body"):
            parts.append(message["body"])

    async with asking(app, key, send) as answering:
        await answering
    assert [part.count(b"\n") for part in parts] == [20, 20, 20, 10]
    places = [json.loads(line)["seq"] for line in b"".join(parts).split(b"\n")[0:-1:2]]
    assert places == list(range(1, 36))


async def test_no_more_is_read_than_was_taken(
    producer: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.log.reader.LOT_EVENTS_MAX", 10)
    await numbered(producer, 100)
    app, key = served(producer, tmp_path)
    read: list[int] = []
    after = LogReader.after

    async def noted(self: LogReader, *place: Any) -> Any:
        rows = await after(self, *place)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(LogReader, "after", noted)
    gone_slow = asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        if message.get("body"):
            gone_slow.set()
            await asyncio.Event().wait()

    async with asking(app, key, send):
        async with asyncio.timeout(5):
            await gone_slow.wait()
        assert read == [10]
        assert app.state.log.places_left == 3
    assert app.state.log.places_left == 4


async def test_a_reader_that_takes_too_long_over_a_page_is_cut_off(
    producer: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.http.log.PAGE_SECONDS", 0.2)
    await numbered(producer, 5)
    app, key = served(producer, tmp_path)
    ended: list[bool] = []

    async def send(message: dict[str, Any]) -> None:
        if message.get("body"):
            await asyncio.Event().wait()
        ended.append(message["type"] == "http.response.body" and not message.get("more_body", False))

    async with asking(app, key, send) as answering:
        await until(lambda: asyncio.sleep(0, answering.done()), 5)
    assert not any(ended), "half a page must not look like a whole one"
    assert app.state.log.places_left == 4


async def test_a_page_is_bounded_by_bytes_over_all_its_lots(
    producer: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await numbered(producer, 30)
    reader = LogReader(producer, "ingest")
    size = len((await reader.after(TOPIC, 0, 0, 1))[0].body)
    monkeypatch.setattr("shared.log.reader.LOT_EVENTS_MAX", 4)
    monkeypatch.setattr("shared.log.reader.PAGE_BYTES_MAX", 10 * size)
    lots = [[each.seq for each in lot] async for lot in reader.lots_after(TOPIC, 0, 0, 1000)]
    assert lots == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    assert [lot async for lot in reader.lots_after(TOPIC, 0, 30, 1000)] == []
