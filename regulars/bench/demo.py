"""How long the whole demo takes, and how much it writes: what somebody waits for who tries the product first."""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from regulars.bench.figures import Figure, Sense, Target
from regulars.bench.temporary import Say
from regulars.child import PROJECT_ROOT
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.errors import RegularsError
from regulars.ports import free_port_block
from regulars.services_table import PortPlan
from regulars.signals import put_away_when_ended

SETTING = "`regulars demo --exit` with 600 households in an empty folder; the environment was there before"
SECONDS_MAX = 900


class DemoFailed(RegularsError):
    """The demo did not end well."""


def figures(say: Say) -> list[Figure]:
    """Run the demo once; nothing is left of it. Raises DemoFailed."""
    with put_away_when_ended(), TemporaryDirectory(prefix="regulars bench demo ") as name:
        root = Path(name)
        # PostgreSQL runs as another user where we are root.
        root.chmod(0o711)
        postgres = EmbeddedPostgres(root / "data", PortPlan(free_port_block()).postgres)
        say("running the demo")
        began = time.monotonic()
        try:
            _run(root / "data")
            seconds = time.monotonic() - began
            # As root the server's files lie outside of the folder.
            places = {root, postgres.pgdata, Path(sys.prefix)}
            taken = sum(_bytes_in(place) for place in places if root not in place.parents)
        finally:
            postgres.destroy()
    return [
        Figure("the demo, from command to end", seconds, "s", Target(Sense.AT_MOST, 360)),
        Figure("its data and the environment", taken / 1e9, "GB", Target(Sense.AT_MOST, 3)),
    ]


def _bytes_in(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())


def _run(folder: Path) -> None:
    command = [sys.executable, "-m", "regulars", "demo", "--exit", "--data-dir", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired as expired:
        raise DemoFailed(f"it did not end within {SECONDS_MAX} s") from expired
    if done.returncode:
        raise DemoFailed(f"it ended with exit code {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
