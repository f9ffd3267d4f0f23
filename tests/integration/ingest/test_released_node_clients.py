"""The released Node clients of Segment and RudderStack, unmodified, against ingest on a loopback port."""

import asyncio
import hashlib
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared.events.behaviour import CustomV1, PageViewedV1, ProductViewedV2
from shared.events.customers import AttributesChangedV1
from shared.keys import new_key
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.loopback import Hurdles, served

pytestmark = pytest.mark.postgres

CLIENTS = Path(__file__).parent / "node_clients"
INSTALL_SECONDS = 60
SAY_SECONDS = 60


@pytest.fixture(scope="session")
def node_clients(pytestconfig: pytest.Config) -> Path:
    """A folder of the cache with the clients of the lock file installed; skips where they cannot be had."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not here")
    lock = (CLIENTS / "package-lock.json").read_bytes()
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("node-clients") / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(CLIENTS, folder)
        _install(npm, folder)
        (folder / "installed").touch()
    shutil.copy(CLIENTS / "say.cjs", folder)
    return folder


def _install(npm: str, folder: Path) -> None:
    # Not `npm ci`: it wants the optional packages of every platform, which a mirror may lack; nothing here uses them.
    quietly = ["--no-audit", "--no-fund", "--fetch-retries=1"]
    command = [npm, "install", "--no-save", "--omit=optional", "--ignore-scripts", *quietly]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install the clients within {INSTALL_SECONDS} s")
    if done.returncode != 0:
        pytest.skip(f"npm could not install the clients: {done.stderr.decode(errors='replace')[-200:]}")


@dataclass
class Shop:
    """A web shop's server in Node that uses one of the clients."""

    ingest: Running
    hurdles: Hurdles
    address: str
    client: str
    folder: Path

    async def say(
        self, *calls: tuple[str, dict[str, Any]], write_key: str | None = None, **options: Any
    ) -> list[str]:
        """Make calls of the client; return what it reports to have failed at when it gave up or was done."""
        asked = {
            "client": self.client,
            "address": self.address,
            "writeKey": write_key or self.ingest.keys.write_key,
            "calls": calls,
            "options": options,
        }
        process = await asyncio.create_subprocess_exec(
            "node", str(self.folder / "say.cjs"), json.dumps(asked), stdout=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(SAY_SECONDS):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        failures: list[str] = json.loads(said)
        return failures


@pytest.fixture(params=["segment", "rudder"])
async def shop(ingest: Running, node_clients: Path, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    hurdles = Hurdles(ingest.app)
    async with served(hurdles) as address:
        yield Shop(ingest, hurdles, address, request.param, node_clients)


TRACK = ("track", {"userId": "user-77", "event": "Product Viewed", "properties": {"product_id": "P1"}})
EVERY_TYPE = (
    TRACK,
    ("identify", {"userId": "user-77", "traits": {"plan": "gold", "email": "chen@example.com"}}),
    ("page", {"userId": "user-77", "name": "Home", "properties": {"url": "https://shop.example/"}}),
    ("screen", {"userId": "user-77", "name": "Basket"}),
    ("group", {"userId": "user-77", "groupId": "club", "traits": {"size": 3}}),
    ("alias", {"previousId": "user-old", "userId": "user-77"}),
)


async def test_every_type_of_message_is_taken(shop: Shop) -> None:
    assert await shop.say(*EVERY_TYPE) == []
    assert set(shop.hurdles.statuses) == {200}
    events = [envelope.data for envelope in await shop.ingest.envelopes()]
    assert {ProductViewedV2, AttributesChangedV1, PageViewedV1, CustomV1} <= {type(data) for data in events}
    assert {"plan": "gold"} in [data.attributes for data in events if isinstance(data, AttributesChangedV1)]
    assert await shop.ingest.count("refusals") == 0


async def test_many_messages_come_in_batches(shop: Shop) -> None:
    assert await shop.say(*[TRACK] * 45, flushAt=15) == []
    assert set(shop.hurdles.statuses) == {200}
    assert await shop.ingest.count("events") == 45


@pytest.mark.parametrize("hurdle", ["429", "503", "lost"])
async def test_a_delivery_that_meets_a_hurdle_is_made_again_and_counts_once(shop: Shop, hurdle: Any) -> None:
    shop.hurdles.plan.append(hurdle)
    assert await shop.say(TRACK, TRACK) == []
    assert shop.hurdles.statuses[-1] == 200
    assert await shop.ingest.count("events") == 2
    assert await shop.ingest.count("refusals") == 0


async def test_a_wrong_key_is_not_tried_again(shop: Shop) -> None:
    failures = await shop.say(TRACK, write_key=new_key())
    assert shop.hurdles.statuses == [401]
    assert failures


async def test_a_disabled_source_is_not_tried_for_ever(shop: Shop) -> None:
    await shop.ingest.post("/v1/sources/shop-server:disable", None)
    assert await shop.say(TRACK)
    assert shop.hurdles.statuses == [403]
