"""An application over a database that can be stopped, or frozen by a proxy before it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from services.recommend.app import build_api
from shared.db import Database
from tests.integration.recommend.conftest import Running, apply, recommend_settings
from tests.integration.recommend.events import ANN, bought, product


@dataclass
class Proxy:
    """A door to the database that can freeze: connections stay open, and nothing comes back."""

    host: str
    port: int
    thawed: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self.host, self.port)
        self._writers += [writer, back]
        with contextlib.suppress(OSError):
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self.thawed.wait()
            writer.write(data)
            await writer.drain()
        writer.close()

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let nothing come back within."""
        self.thawed.clear()
        try:
            yield
        finally:
            self.thawed.set()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@contextlib.asynccontextmanager
async def freezing(dsn: str) -> AsyncIterator[tuple[str, Proxy]]:
    """Yield the DSN through a proxy that lets everything pass, and the proxy."""
    address = httpx.URL(dsn.replace("postgresql://", "http://"))
    proxy = Proxy(address.host, address.port or 5432)
    proxy.thawed.set()
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield dsn.replace(f":{address.port}/", f":{port}/"), proxy
    finally:
        proxy.close()
        server.close()


@contextlib.asynccontextmanager
async def serving(dsn: str, folder: Path, database: Database, **changes: Any) -> AsyncIterator[Running]:
    settings, admin_key, store_key = recommend_settings(dsn, folder)
    app = build_api(settings.model_copy(update=changes))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://recommend") as client:
            yield Running(client, database, app, settings, admin_key, store_key)


async def fill(database: Database) -> None:
    await apply(database, [product(f"p{n}") for n in range(12)])
    await apply(database, [bought(f"a{n}", ANN, n + 1, "p7", f"p{n}") for n in range(5)])


async def is_remembered(running: Running) -> bool:
    await running.recommend(customer_id=str(ANN))
    return running.desk.recall.is_remembered(ANN)
