"""A served API stops in order: unready first, open requests answered, then the end."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from regulars.ports import free_port
from shared.keys import issue_key, write_keys

SAMPLE = Path(__file__).with_name("served_sample.py")
ROOT = Path(__file__).parents[3]
STARTED_WITHIN_SECONDS = 20.0


class Served:
    """A running sample and where it answers."""

    def __init__(self, keys_file: Path, drain_seconds: float, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [sys.executable, str(SAMPLE), str(port), str(keys_file), str(drain_seconds)],
            cwd=ROOT,
            env={"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    async def wait_until_ready(self) -> None:
        deadline = time.monotonic() + STARTED_WITHIN_SECONDS
        async with httpx.AsyncClient(base_url=self.address, trust_env=False) as client:
            while time.monotonic() < deadline and self.process.poll() is None:
                try:
                    assert (await client.get("/health/ready")).status_code == 200
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
                else:
                    return
        raise AssertionError("the sample did not start")

    async def ended(self) -> tuple[int, str, str]:
        out, err = await asyncio.to_thread(self.process.communicate, None, 30)
        return self.process.returncode, out, err


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[float], Served]]:
    keys_file = tmp_path / "keys.json"
    write_keys(keys_file, [issue_key("administrator", "owner")[1]])
    served: list[Served] = []

    def begin(drain_seconds: float, port: int | None = None) -> Served:
        served.append(Served(keys_file, drain_seconds, port or free_port()))
        return served[-1]

    yield begin
    for one in served:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        yield client


async def test_an_open_request_is_answered_before_the_end(
    start: Callable[[float], Served], client: httpx.AsyncClient
) -> None:
    served = start(0)
    await served.wait_until_ready()
    slow = asyncio.create_task(client.get(f"{served.address}/slow?seconds=1"))
    await asyncio.sleep(0.3)
    served.process.send_signal(signal.SIGTERM)
    assert (await slow).json() == {"status": "finished"}
    code, out, err = await served.ended()
    assert code == 0, err
    assert "lifespan ended" in out


async def test_it_is_unready_but_serves_while_it_drains(
    start: Callable[[float], Served], client: httpx.AsyncClient
) -> None:
    served = start(2)
    await served.wait_until_ready()
    served.process.send_signal(signal.SIGTERM)
    for _ in range(100):
        ready = await client.get(f"{served.address}/health/ready")
        if ready.status_code == 503:
            break
    assert ready.json()["code"] == "not_ready"
    assert (await client.get(f"{served.address}/slow?seconds=0")).status_code == 200
    code, _, err = await served.ended()
    assert code == 0, err


async def test_a_second_signal_ends_the_draining_at_once(start: Callable[[float], Served]) -> None:
    served = start(10)
    await served.wait_until_ready()
    began = time.monotonic()
    served.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.3)
    served.process.send_signal(signal.SIGTERM)
    code, _, err = await served.ended()
    assert code == 0, err
    assert time.monotonic() - began < 5


async def test_a_request_that_never_ends_does_not_hold_it_back_for_ever(
    start: Callable[[float], Served], client: httpx.AsyncClient
) -> None:
    served = start(0)
    await served.wait_until_ready()
    endless = asyncio.create_task(client.get(f"{served.address}/slow?seconds=60"))
    await asyncio.sleep(0.3)
    began = time.monotonic()
    served.process.send_signal(signal.SIGTERM)
    code, out, err = await served.ended()
    await asyncio.gather(endless, return_exceptions=True)
    assert time.monotonic() - began < 25
    assert code == 0, err
    assert "lifespan ended" in out


async def test_a_taken_port_ends_it_with_a_code_and_a_word(start: Callable[..., Served]) -> None:
    first = start(0)
    await first.wait_until_ready()
    second = start(0, port=int(first.address.rpartition(":")[2]))
    code, _, err = await second.ended()
    assert code == 3
    assert "address already in use" in err
