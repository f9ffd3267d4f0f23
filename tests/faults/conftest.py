"""Deployments of the real services to be hurt, and a report of what was measured."""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from tests.faults.deployment import Deployment, deployed
from tests.faults.harness import measured

Deploy = Callable[..., AbstractContextManager[Deployment]]


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Writes what this run measured, once, however many folders of tests took part."""
    for line in measured:
        terminalreporter.write_line(line)
    measured.clear()


@pytest.fixture(scope="session")
def deployment_folder(suite_folder: Path) -> Callable[[], Path]:
    return lambda: Path(tempfile.mkdtemp(prefix="deployment ", dir=suite_folder))


@pytest.fixture
def deploy(postgres: EmbeddedPostgres, deployment_folder: Callable[[], Path]) -> Deploy:
    """`with deploy(names, bootstrap_servers=…) as deployment`."""
    return partial(deployed, root=deployment_folder(), postgres=postgres)
