"""`regulars sources create|list|rotate|disable|enable`: who may send through the routes of analytics clients."""

from datetime import timedelta
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from regulars.answers import document_of, refusal_of
from regulars.cli.options import DATA_DIR_DEFAULT, AsJson, DataDir, print_json
from regulars.cli.verify import credentials_of
from regulars.errors import RegularsError
from regulars.folder import DataFolder
from shared.clock import SystemClock

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
KINDS = ("pos", "server", "import", "web", "app")
OVERLAP_DAYS = 7.0

SourceId = Annotated[str, typer.Argument(metavar="SOURCE_ID", help="As `regulars sources list` shows it.")]

app = typer.Typer(no_args_is_help=True)


@app.command("create")
def create(
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(KINDS)}; web and app keys are public.")],
    source_id: Annotated[str | None, typer.Option("--id", help="Its id. Default: made up.")] = None,
    name: Annotated[str, typer.Option(help="What people call it.")] = "",
    data_dir: DataDir = DATA_DIR_DEFAULT,
) -> None:
    """Make a source and print its write key: it is shown this once and stored hashed."""
    made = _asked(data_dir, "POST", "/v1/sources", {"kind": kind, "id": source_id, "name": name})
    print(f"{made['source_id']} ({made['kind']}):")
    print(made["write_key"])


@app.command("list")
def list_sources(data_dir: DataDir = DATA_DIR_DEFAULT, *, as_json: AsJson = False) -> None:
    """Show every source: its kind, keys, limit and whether it may send, never a key's text."""
    sources = _asked(data_dir, "GET", "/v1/sources")["sources"]
    if as_json:
        print_json(sources)
        return
    table = Table("source", "kind", "name", "keys", "limit", "crawlers", "state")
    for one in sources:
        limit = one["limit"]
        shown = "none" if limit is None else f"{limit['events_per_second']}/s, {limit['burst']} at once"
        state = "sends" if one["disabled_at"] is None else f"disabled {one['disabled_at'][:16]}"
        table.add_row(
            one["source_id"], one["kind"], one["name"], str(len(one["keys"])), shown, one["bot_filter"], state
        )
    Console().print(table)


@app.command("rotate")
def rotate(
    source_id: SourceId,
    overlap_days: Annotated[
        float, typer.Option(help="For how long the old key holds beside it.", min=0, max=90)
    ] = OVERLAP_DAYS,
    data_dir: DataDir = DATA_DIR_DEFAULT,
) -> None:
    """Make a new write key; the old one ends when everybody has had time to change."""
    until = SystemClock().now() + timedelta(days=overlap_days)
    made = _asked(data_dir, "POST", f"/v1/sources/{source_id}:rotate", {"old_key_until": until.isoformat()})
    print(f"{source_id}, the old key holds until {made['old_key_until'][:16]} UTC; the new one:")
    print(made["write_key"])


@app.command("disable")
def disable(source_id: SourceId, data_dir: DataDir = DATA_DIR_DEFAULT) -> None:
    """Refuse everything that a source sends, at once."""
    _asked(data_dir, "POST", f"/v1/sources/{source_id}:disable")
    print(f"{source_id} is disabled")


@app.command("enable")
def enable(source_id: SourceId, data_dir: DataDir = DATA_DIR_DEFAULT) -> None:
    """Take what a disabled source sends again."""
    _asked(data_dir, "POST", f"/v1/sources/{source_id}:enable")
    print(f"{source_id} sends again")


def _asked(data_dir: DataDir, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 (a JSON document)
    """Ask the running ingest. Raises RegularsError with its own words where it says no."""
    credentials = credentials_of(DataFolder.of(data_dir))
    headers = {"Authorization": f"Bearer {credentials.api_key}"}
    address = credentials.addresses["ingest"]
    try:
        with httpx.Client(base_url=address, headers=headers, timeout=TIMEOUT, trust_env=False) as client:
            answer = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        raise RegularsError(f"ingest at {address} does not answer ({type(error).__name__}); is it up?") from error
    if answer.is_error:
        raise RegularsError(refusal_of(answer))
    return document_of(answer) if answer.status_code != httpx.codes.NO_CONTENT else None
