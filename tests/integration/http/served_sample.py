"""A small service on its own, for the tests that stop it with signals: `python served_sample.py PORT KEYS DRAIN`."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI

from shared.http.app import create_app
from shared.http.auth import public
from shared.http.body import Router
from shared.http.server import run_api
from shared.keys import KeyRing
from shared.telemetry import configure_logging

router = Router()


@router.get("/slow")
async def slow(seconds: float, _: Annotated[None, Depends(public("a sample"))]) -> dict[str, str]:
    await asyncio.sleep(seconds)
    return {"status": "finished"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    print("lifespan ended", flush=True)  # noqa: T201 - read by the test


def main(port: int, keys_file: Path, drain_seconds: float) -> None:
    configure_logging("json", "info", "sample")
    app = create_app(service="sample", keys=KeyRing(keys_file), routers=[router], lifespan=lifespan)
    run_api(app, "127.0.0.1", port, drain_seconds=drain_seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
