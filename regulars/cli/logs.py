"""`regulars logs`: the last lines of a service's processes, and the ones that follow."""

import contextlib
from typing import Annotated

import typer

from regulars.cli.options import DATA_DIR_DEFAULT, DataDir
from regulars.folder import DataFolder
from regulars.logs import Follower, follow


def logs(
    service: Annotated[
        str, typer.Argument(help="A service, one of its processes (ingest-api), postgres, broker, supervisor.")
    ],
    data_dir: DataDir = DATA_DIR_DEFAULT,
    *,
    follow_on: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new lines.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines to begin with, per process.")] = 50,
) -> None:
    folder = DataFolder.of(data_dir)
    known = sorted(path.stem for path in folder.logs.glob("*.log"))
    names = [name for name in known if name == service or name.startswith(f"{service}-")]
    if not names:
        there = ", ".join(known) or "none yet"
        raise typer.BadParameter(f"no log of {service!r}; there are: {there}", param_hint="SERVICE")
    followers = {name: Follower(folder.log_file(name), lines) for name in names}
    for name, follower in followers.items():
        for line in follower.first:
            print(f"{name} | {line}")
    if follow_on:
        with contextlib.suppress(KeyboardInterrupt):
            for name, line in follow(followers):
                print(f"{name} | {line}", flush=True)
