"""A worker's own small door: health and metrics, served beside its work in the same event loop."""

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI


class _QuietServer(uvicorn.Server):
    """Leaves signals to the worker."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_probe(app: FastAPI, host: str, port: int) -> None:
    """Serve until cancelled."""
    config = uvicorn.Config(app, host=host, port=port, http="httptools", ws="none", log_config=None, access_log=False)
    await _QuietServer(config).serve()
