"""The bare limit of writing and reading over HTTP: FastAPI and asyncpg with nothing of the product between them.

`POST /found` answers the row of an indexed key, as `fill_found` made them.
`POST /raw` parses the body and stores each of its items as it came, one unique key a item, in one transaction.
`POST /take` takes one use of a capped thing and notes who took it: what a redemption cannot do without.
Run as `python -m regulars.bench.bare PORT`, the database address in REGULARS_BENCH_DATABASE_URL.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import httpx
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

from regulars import processes
from regulars.child import PROJECT_ROOT
from regulars.errors import StartFailed
from regulars.ports import HOST, free_port

DSN_VARIABLE = "REGULARS_BENCH_DATABASE_URL"
KEY_FIELDS = ("store_id", "terminal_id", "business_date", "sequence_number")
READY_SECONDS = 20.0
POOL_MAX = 10
TABLES = """
CREATE TABLE IF NOT EXISTS bare_raw (key text PRIMARY KEY, body bytea NOT NULL);
CREATE TABLE IF NOT EXISTS bare_caps (id text PRIMARY KEY, uses bigint NOT NULL, uses_max bigint NOT NULL);
CREATE TABLE IF NOT EXISTS bare_taken (key text PRIMARY KEY, id text NOT NULL);
CREATE TABLE IF NOT EXISTS bare_found (key text PRIMARY KEY, body text NOT NULL);
"""
FILL = "INSERT INTO bare_found SELECT 'key-' || n, $3 FROM generate_series($1::int, $2::int) AS n"
FOUND = "SELECT body FROM bare_found WHERE key = $1"
FILLED_AT_ONCE = 100_000
RAW = "INSERT INTO bare_raw SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING"
TAKEN = "INSERT INTO bare_taken VALUES ($1, $2)"
TAKE = (
    "INSERT INTO bare_caps AS cap VALUES ($1, 1, 1000000) ON CONFLICT (id) DO UPDATE SET uses = cap.uses + 1"
    " WHERE cap.uses < cap.uses_max"
)


def build(dsn: str) -> FastAPI:
    """Return the application; its tables are made when it starts."""
    app = FastAPI(lifespan=_with_pool(dsn), openapi_url=None)

    @app.get("/health/live")
    async def live() -> Response:
        return Response(b"{}", media_type="application/json")

    @app.post("/found")
    async def found(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        return Response(await app.state.pool.fetchval(FOUND, asked["key"]), media_type="application/json")

    @app.post("/raw")
    async def raw(request: Request) -> Response:
        return await _store_raw(app.state.pool, orjson.loads(await request.body()))

    @app.post("/take")
    async def take(request: Request) -> Response:
        return await _take(app.state.pool, orjson.loads(await request.body()))

    return app


def _with_pool(dsn: str) -> Any:  # noqa: ANN401 (FastAPI's lifespan)
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(dsn, min_size=POOL_MAX, max_size=POOL_MAX) as pool:
            await pool.execute(TABLES)
            app.state.pool = pool
            yield

    return lifespan


async def fill_found(dsn: str, count: int, body: str) -> None:
    """Put rows under the keys `key-1` to `key-COUNT`, all of the same body, into a database with the tables."""
    connection = await asyncpg.connect(dsn)
    try:
        for start in range(1, count + 1, FILLED_AT_ONCE):
            await connection.execute(FILL, start, min(start + FILLED_AT_ONCE - 1, count), body)
        await connection.execute("VACUUM ANALYZE bare_found")
    finally:
        await connection.close()


async def _store_raw(pool: "asyncpg.Pool[asyncpg.Record]", body: dict[str, Any]) -> Response:
    items = body.get("receipts") or body.get("batch") or [body]
    keys = [item.get("messageId") or "/".join(str(item[name]) for name in KEY_FIELDS) for item in items]
    async with pool.acquire() as connection, connection.transaction():
        status = await connection.execute(RAW, keys, [orjson.dumps(item) for item in items])
    return Response(orjson.dumps({"stored": int(status.rpartition(" ")[2])}), media_type="application/json")


async def _take(pool: "asyncpg.Pool[asyncpg.Record]", body: dict[str, Any]) -> Response:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(TAKEN, body["key"], body["id"])
        status = await connection.execute(TAKE, body["id"])
    return Response(orjson.dumps({"taken": status.endswith(" 1")}), media_type="application/json")


@contextmanager
def bare_server(dsn: str) -> Iterator[str]:
    """Run the application in a process of its own; give its address. Raises StartFailed."""
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 (our own command)
        [sys.executable, "-m", "regulars.bench.bare", str(port)],
        cwd=PROJECT_ROOT,
        env=_environment(dsn),
        stdout=subprocess.DEVNULL,
    )
    try:
        address = f"http://{HOST}:{port}"
        _wait_until_ready(process, address)
        yield address
    finally:
        processes.end(process, (signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))


def _environment(dsn: str) -> Mapping[str, str]:
    """Hand the database address on where other users cannot read it."""
    return {**os.environ, DSN_VARIABLE: dsn}


def _wait_until_ready(process: "subprocess.Popen[bytes]", address: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{address}/health/live", trust_env=False).is_success:
                return
        time.sleep(0.1)
    raise StartFailed("the bare application did not start")


if __name__ == "__main__":
    uvicorn.run(
        build(os.environ[DSN_VARIABLE]),
        host=HOST,
        port=int(sys.argv[1]),
        http="httptools",
        log_level="warning",
        access_log=False,
    )
