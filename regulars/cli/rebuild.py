"""`regulars rebuild SERVICE`: make a service's derived tables anew from the producers' logs while it serves."""

import subprocess
import sys
from enum import StrEnum
from typing import Annotated

import psutil
import typer

from regulars.child import PROJECT_ROOT, WORKER_NICENESS
from regulars.cli.options import DATA_DIR_DEFAULT, AsJson, DataDir, print_json
from regulars.folder import DataFolder
from regulars.training import environment_of

OWNED = (
    "everything that ingest keeps is owned: the archive and its numbers are what the other services are rebuilt from."
    " It comes back from a back-up, never from a rebuild."
)


class Rebuilt(StrEnum):
    """The services."""

    INGEST = "ingest"
    PROFILE = "profile"
    RECOMMEND = "recommend"
    CHURN = "churn"
    CAMPAIGN = "campaign"


def rebuild(
    service: Rebuilt,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    *,
    check: Annotated[bool, typer.Option("--check", help="Only compare; swap nothing.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Swap though tables differ from the live ones.")] = False,
    as_json: AsJson = False,
) -> None:
    if check and accept:
        raise typer.BadParameter("--check swaps nothing, so there is nothing to --accept")
    if service is Rebuilt.INGEST:
        if as_json:
            print_json({"service": "ingest", "findings": [], "notes": [OWNED], "is_swapped": False, "is_equal": True})
        else:
            print(f"ingest: {OWNED}")
        return
    if _ended(DataFolder.of(data_dir), service, check=check, accept=accept, as_json=as_json):
        raise typer.Exit(1)


def _ended(folder: DataFolder, service: Rebuilt, *, check: bool, accept: bool, as_json: bool) -> int:
    """Run it in a process of its own, with the settings of the running deployment; return how that ended."""
    wanted = {"--check": check, "--accept": accept, "--json": as_json}
    flags = [flag for flag, is_wanted in wanted.items() if is_wanted]
    command = [sys.executable, "-m", f"services.{service}", "rebuild", *flags]
    environment = {**environment_of(folder, service), f"{service.upper()}_LOG_LEVEL": "warning"}
    with subprocess.Popen(command, env=environment, cwd=PROJECT_ROOT) as process:  # noqa: S603 (our own command)
        # As a worker: whoever waits for an answer comes first.
        psutil.Process(process.pid).nice(WORKER_NICENESS)
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the terminal has told the process too: it drops what it had made, and says so
