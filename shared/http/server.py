"""Runs one API in one process: uvicorn, started by us and stopped in order."""

import asyncio
import time
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from shared.http.heads import BoundedHeads
from shared.http.health import Draining

# Draining (at most 10 s), open requests, then the lifespan's end: together less than 25 s.
OPEN_REQUESTS_SECONDS = 8
SHUTDOWN_SECONDS = 14.0

log = structlog.get_logger()


class DrainingServer(uvicorn.Server):
    """Unready at the first signal, serves on for `drain_seconds`, then stops; at a second, at once."""

    def __init__(self, config: uvicorn.Config, draining: Draining, drain_seconds: float) -> None:
        super().__init__(config)
        self._draining = draining
        self._drain_seconds = drain_seconds
        self._stop_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        # uvicorn would raise the signal again at the end; a stop that was asked for is a success.
        seconds = 0.0 if self._draining.started else self._drain_seconds
        self._draining.start()
        self._stop_at = time.monotonic() + seconds

    async def on_tick(self, counter: int) -> bool:
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # never given
        assert sockets is None
        try:
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await super().shutdown()
        except TimeoutError:
            log.error("shutdown_cut_short", waited_seconds=SHUTDOWN_SECONDS)  # noqa: TRY400 - no fault of ours to trace


def run_api(app: FastAPI, host: str, port: int, *, drain_seconds: float = 0.0) -> None:
    """Serve `app` until SIGTERM or SIGINT, then return; ends within 25 s of the signal.

    Exits the process with code 3 when the lifespan fails to start or the port is taken.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedHeads,
        ws="none",
        lifespan="on",
        workers=1,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=OPEN_REQUESTS_SECONDS,
    )
    DrainingServer(config, app.state.draining, drain_seconds).run()
