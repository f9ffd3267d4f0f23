"""`regulars restored SERVICE`: after its database was put back, have its log go on as another life of its origin."""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from regulars.child import PROJECT_ROOT
from regulars.cli.options import DATA_DIR_DEFAULT, DataDir
from regulars.cli.rebuild import Rebuilt
from regulars.folder import DataFolder
from regulars.training import environment_of


def restored(
    service: Rebuilt,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    *,
    incarnation: Annotated[
        int | None, typer.Option(min=2, help="Its number, where a later one than the next is needed.")
    ] = None,
) -> None:
    settings = {**_settings_of(DataFolder.of(data_dir), service), f"{service.upper()}_LOG_LEVEL": "warning"}
    command = [sys.executable, "-m", f"services.{service}", "restored"]
    if incarnation is not None:
        command += ["--incarnation", str(incarnation)]
    done = subprocess.run(command, env=settings, cwd=PROJECT_ROOT, check=False)  # noqa: S603 (our own command)
    if done.returncode:
        raise typer.Exit(1)


def _settings_of(folder: DataFolder, service: str) -> Mapping[str, str]:
    """Return the environment, where it has the service's settings, else that of what `up` runs on the folder."""
    if f"{service.upper()}_DATABASE_URL" in os.environ:
        return os.environ
    return environment_of(folder, service)
