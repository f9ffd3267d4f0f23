"""Owns training in a process of its own, with the settings of a running deployment."""

import subprocess
import sys
from collections.abc import Sequence

from regulars.child import PROJECT_ROOT
from regulars.credentials import Credentials, load_or_make_secrets
from regulars.deployment import Backing, UpOptions, service_environment
from regulars.engines import Report
from regulars.errors import RegularsError
from regulars.folder import DataFolder
from regulars.services_table import SERVICES
from regulars.state import running_state

TRAINED = ("recommend", "churn")


class TrainingFailed(RegularsError):
    """The training process ended with an error; its last lines are in the message."""


def train(folder: DataFolder, service: str, report: Report, arguments: Sequence[str] = ()) -> None:
    """Train one service's model; return when its new version is in use, or kept back by the gate.

    `report` hears every line that the training prints. Raises TrainingFailed, RegularsError when nothing runs.
    """
    last = ""
    command = [sys.executable, "-m", f"services.{service}", "train", *arguments]
    with subprocess.Popen(  # noqa: S603 (our own command)
        command,
        env={**environment_of(folder, service), f"{service.upper()}_LOG_LEVEL": "warning"},
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = line.rstrip()
            report(last)
    if process.returncode:
        raise TrainingFailed(f"training {service} ended with exit code {process.returncode}: {last}")


def environment_of(folder: DataFolder, service: str) -> dict[str, str]:
    """Return the environment that a service's processes have on a running deployment; raise RegularsError."""
    state = running_state(folder)
    if state is None:
        raise RegularsError(f"nothing runs on {folder.root}: run `regulars up` first")
    credentials = Credentials.read(folder.credentials_file)
    backing = Backing(credentials.database, credentials.bootstrap_servers)
    secrets = load_or_make_secrets(folder, [spec.name for spec in SERVICES])
    options = UpOptions(folder, state.port_base)
    spec = next(spec for spec in SERVICES if spec.name == service)
    return service_environment(options, spec, backing, secrets)
