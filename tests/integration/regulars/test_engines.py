"""The broker under a deployment, when it grows too large or dies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from regulars.deployment import UpOptions
from regulars.embedded.broker import EmbeddedBroker
from regulars.engines import MEMORY_WARNING, Engines
from regulars.folder import DataFolder
from regulars.ports import free_port_block
from regulars.state import ProcessRecord

pytestmark = pytest.mark.broker


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def engines(tmp_path: Path, reports: list[str]) -> Iterator[Engines]:
    """Engines whose broker runs."""
    engines = Engines(UpOptions(DataFolder.of(tmp_path), free_port_block()), reports.append)
    try:
        engines.start_broker()
        yield engines
    finally:
        engines.stop()


def _broker(engines: Engines) -> ProcessRecord:
    (record,) = engines.records()
    return record


def _with_memory(monkeypatch: pytest.MonkeyPatch, memory_bytes: int) -> None:
    monkeypatch.setattr(EmbeddedBroker, "memory_bytes", property(lambda _: memory_bytes))


def test_a_small_broker_is_left_alone(engines: Engines) -> None:
    before = _broker(engines)
    assert not engines.mind_memory()
    assert _broker(engines) == before


def test_a_large_broker_is_warned_of_once(
    engines: Engines, reports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_memory(monkeypatch, 1_500_000_000)
    assert engines.mind_memory()
    assert not engines.mind_memory()
    assert engines.warning == MEMORY_WARNING
    assert reports.count(MEMORY_WARNING) == 1


def test_a_broker_past_the_limit_is_started_again_empty(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _broker(engines)
    _with_memory(monkeypatch, 3_000_000_000)
    assert engines.mind_memory()
    after = _broker(engines)
    assert after.pid not in (None, before.pid)
    assert after.restarts == before.restarts + 1
    assert engines.warning == ""


def test_a_broker_that_died_is_started_again(engines: Engines) -> None:
    before = _broker(engines).identity
    assert before is not None
    process = before.process()
    assert process is not None
    process.kill()
    process.wait(5)
    assert engines.tend()
    assert _broker(engines).pid != before.pid
