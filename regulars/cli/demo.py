"""`regulars demo`: the main job on real shopping history, end to end."""

import shlex
import shutil
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from regulars.background import running
from regulars.cli.load import households_of
from regulars.cli.options import AsJson, print_json
from regulars.credentials import Credentials
from regulars.datasets.completejourney import CURRENCY, TIME_ZONE
from regulars.demo.run import Demo
from regulars.demo.screen import show
from regulars.deployment import UpOptions
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.errors import AlreadyRunning, RegularsError
from regulars.folder import DEFAULT, DataFolder
from regulars.loading.completejourney import History
from regulars.ports import free_port_block
from regulars.services_table import PortPlan
from regulars.state import running_state
from shared.clock import SystemClock

DEMO_FOLDER = DEFAULT / "demo"
MARK = "made-by-demo"
PLAIN_WIDTH = 110
ASKABLE = {
    "status": "what runs, how it is and how far it lags",
    "verify": "the recount once more",
    "doctor": "what is wrong, if anything is",
}
"""Commands for a demo that serves, and what each tells."""


def demo(
    data_dir: Annotated[
        Path,
        typer.Option("--data-dir", help="Folder of the demo's deployment; what an earlier demo left is removed."),
    ] = DEMO_FOLDER,
    *,
    households: Annotated[str, typer.Option(help="How many households to send, or all.")] = "600",
    leave: Annotated[bool, typer.Option("--exit", help="Stop everything at the end.")] = False,
    as_json: AsJson = False,
) -> None:
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {line}", file=sys.stderr, flush=True)

    folder = DataFolder.of(data_dir)
    _make_room(folder)
    options = UpOptions(folder, free_port_block(), currency=CURRENCY, time_zone=TIME_ZONE)
    yesterday = SystemClock().now().date() - timedelta(days=1)
    say(f"starting PostgreSQL, the broker and five services on ports from {options.port_base}")
    with running(options, say) as credentials:
        story = Demo(folder, credentials, History(households_of(households), yesterday), say).run()
        if as_json:
            print_json(story.document())
        else:
            show(Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH), story)
        say(f"done in {time.monotonic() - began:.0f} s")
        if not story.verification.holds:
            raise typer.Exit(1)
        if not leave:
            _serve_on(credentials, folder)
    say(f"stopped; the data stay: {command_on(folder, 'up')}")


def _make_room(folder: DataFolder) -> None:
    """Remove what an earlier demo left in the folder; refuse a folder that no demo made."""
    mark = folder.root / MARK
    if folder.root.exists() and any(folder.root.iterdir()) and not mark.exists():
        raise RegularsError(f"{folder.root} holds something that no demo made: name an empty folder by --data-dir")
    if running_state(folder) is not None:
        raise AlreadyRunning(
            f"a demo is running on {folder.root}: end it with Ctrl-C there, or by `{command_on(folder, 'down')}`"
        )
    if mark.exists():
        EmbeddedPostgres(folder.root, PortPlan(free_port_block()).postgres).destroy()
        shutil.rmtree(folder.root)
    folder.root.mkdir(parents=True, exist_ok=True)
    mark.touch()


def command_on(folder: DataFolder, *words: str) -> str:
    """Return a command for this deployment, as it can be copied into a shell."""
    program = Path(sys.executable).with_name("regulars")
    return shlex.join([str(program), *words, "--data-dir", str(folder.root)])


def _serve_on(credentials: Credentials, folder: DataFolder) -> None:
    """Keep serving until Ctrl-C or SIGTERM."""
    print("\nEverything keeps running. From another terminal:")
    for words, purpose in ASKABLE.items():
        print(f"  {purpose}:\n    {command_on(folder, words)}")
    print("Or over HTTP, every route described:")
    for service, address in credentials.addresses.items():
        print(f"  {service:10} {address}/docs")
    print(f"The key is api_key in {folder.credentials_file}\nCtrl-C here stops it all.", flush=True)
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    signal.sigwait(signals)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
