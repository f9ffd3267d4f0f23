"""Ingest on a loopback port, with hurdles in front: what a released client meets on a bad day."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regulars.ports import free_port
from shared.errors import TooMany, Unavailable
from shared.http.problem import domain_problem
from tests.fixtures.waiting import until

Hurdle = Literal["429", "503", "lost"]
"""Refused, away, or stored with the answer lost on its way back."""

POSTS_MAX = 40


@dataclass
class Hurdles:
    """Answers the first POSTs as planned, in the words of ingest itself, and counts all of them."""

    app: ASGIApp
    plan: deque[Hurdle] = field(default_factory=deque)
    statuses: list[int] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        assert len(self.statuses) < POSTS_MAX, "a client retries for ever"
        self.headers.append({name.decode(): value.decode("latin-1") for name, value in scope["headers"]})
        hurdle = self.plan.popleft() if self.plan else None
        if hurdle == "lost":
            await self.app(scope, receive, _nowhere)
        if hurdle is None:
            await self.app(scope, receive, self._noting(send))
        else:
            error = (TooMany if hurdle == "429" else Unavailable)("ask again", retry_after_seconds=1)
            await domain_problem("tests", error)(scope, receive, self._noting(send))

    def _noting(self, send: Send) -> Send:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.statuses.append(message["status"])
            await send(message)

        return note


async def _nowhere(message: Message) -> None:
    """Lose an answer."""


async def _is_started(server: uvicorn.Server) -> bool:
    return server.started


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application whose lifespan has begun; yield its address."""
    port = free_port()
    config = uvicorn.Config(app, "127.0.0.1", port, lifespan="off", log_config=None, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    try:
        await until(lambda: _is_started(server), 10)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving
