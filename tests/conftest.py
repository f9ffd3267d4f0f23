"""What the whole suite shares: a folder, the real database and brokers, and an orderly end."""

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import settings

pytest_plugins = ["tests.fixtures.postgres", "tests.fixtures.brokers", "tests.fixtures.side_by_side"]


# How long an example takes says something about the machine, nothing about what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure() -> None:
    """A terminated run ends like an interrupted one: through the fixtures' finalisers."""
    signal.signal(signal.SIGTERM, _interrupt)


@pytest.fixture(scope="session")
def suite_folder() -> Iterator[Path]:
    """A folder of this run for servers' data, removed at the end.

    Its path has a space on purpose, and other users may pass through it: PostgreSQL does not run as root.
    """
    folder = Path(tempfile.mkdtemp(prefix="regulars tests "))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
