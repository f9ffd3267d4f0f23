"""`regulars keys create|list|rotate|revoke`: who may call the services of a deployment."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from regulars.cli.options import DATA_DIR_DEFAULT, AsJson, DataDir, print_json
from regulars.errors import RegularsError
from regulars.folder import DataFolder
from shared.clock import SystemClock
from shared.keys import EVERYTHING, ROLES, KeyEntry, KeyLimit, KeysFileError, issue_key, read_keys, write_keys

BURST_SECONDS = 10
OVERLAP_DAYS = 7.0

KeyId = Annotated[str, typer.Argument(metavar="KEY_ID", help="As `regulars keys list` shows it.")]

app = typer.Typer(no_args_is_help=True)


@app.command("create")
def create(  # noqa: PLR0913, PLR0917 (options, each with its own help)
    role: Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")],
    actor: Annotated[str, typer.Option(help="In whose name it acts: a person, a till, a program.")],
    store: Annotated[list[str] | None, typer.Option(help="A store it is for; repeat it. Default: all.")] = None,
    days: Annotated[float | None, typer.Option(help="It ends after so many days.", min=0.01)] = None,
    limit: Annotated[int | None, typer.Option(help="Events a second that it may send to ingest.", min=1)] = None,
    burst: Annotated[int | None, typer.Option(help="Events at once; 10 times the limit if left out.", min=1)] = None,
    data_dir: DataDir = DATA_DIR_DEFAULT,
) -> None:
    """Make a key and print it: it is shown this once and stored nowhere."""
    expires_at = None if days is None else SystemClock().now() + timedelta(days=days)
    if burst is not None and limit is None:
        raise RegularsError("--burst goes with --limit")
    allowed = None if limit is None else KeyLimit(limit, burst or BURST_SECONDS * limit)
    try:
        key, entry = issue_key(role, actor, store_ids=store or [EVERYTHING], expires_at=expires_at, limit=allowed)
    except ValueError as error:
        raise RegularsError(str(error)) from error
    _change(data_dir, lambda entries: [*entries, entry])
    _show_once(key, entry)


@app.command("list")
def list_keys(data_dir: DataDir = DATA_DIR_DEFAULT, *, as_json: AsJson = False) -> None:
    """Show every key: who, what and until when, never its text."""
    entries = _entries(DataFolder.of(data_dir))
    if as_json:
        print_json(
            [{name: value for name, value in entry.to_json().items() if name != "digest"} for entry in entries]
        )
        return
    table = Table("key", "role", "actor", "stores", "until")
    for entry in entries:
        caller = entry.caller
        stores = ", ".join(sorted(caller.store_ids)).replace(EVERYTHING, "all")
        table.add_row(caller.key_id, caller.role, caller.actor, stores, _until(entry.expires_at))
    Console().print(table)


@app.command("rotate")
def rotate(
    key_id: KeyId,
    overlap_days: Annotated[
        float, typer.Option(help="For how long the old key holds beside it.", min=0)
    ] = OVERLAP_DAYS,
    data_dir: DataDir = DATA_DIR_DEFAULT,
) -> None:
    """Make a new key for the same caller; the old one ends when everybody has had time to change."""
    old = _found(_entries(DataFolder.of(data_dir)), key_id)
    caller = old.caller
    key, fresh = issue_key(caller.role, caller.actor, store_ids=caller.store_ids, limit=caller.limit)
    ends_at = SystemClock().now() + timedelta(days=overlap_days)
    ended = replace(old, expires_at=ends_at if old.expires_at is None else min(old.expires_at, ends_at))
    _change(data_dir, lambda entries: [*(ended if entry == old else entry for entry in entries), fresh])
    _show_once(key, fresh)


@app.command("revoke")
def revoke(key_id: KeyId, data_dir: DataDir = DATA_DIR_DEFAULT) -> None:
    """End a key at once, in every service."""
    gone = _found(_entries(DataFolder.of(data_dir)), key_id)
    _change(data_dir, lambda entries: [entry for entry in entries if entry != gone])
    print(f"{key_id} ({gone.caller.actor}) is revoked")


def _entries(folder: DataFolder) -> list[KeyEntry]:
    try:
        return read_keys(folder.keys_file)
    except KeysFileError as error:
        raise RegularsError(f"{error}; `regulars up` on this folder makes the file") from error


def _change(data_dir: DataDir, changed: Callable[[Sequence[KeyEntry]], Sequence[KeyEntry]]) -> None:
    folder = DataFolder.of(data_dir)
    write_keys(folder.keys_file, changed(_entries(folder)))


def _found(entries: Sequence[KeyEntry], key_id: str) -> KeyEntry:
    for entry in entries:
        if entry.caller.key_id == key_id:
            return entry
    raise RegularsError(f"there is no key {key_id}; see `regulars keys list`")


def _show_once(key: str, entry: KeyEntry) -> None:
    print(f"{entry.caller.key_id} ({entry.caller.role}, {entry.caller.actor}), until {_until(entry.expires_at)}:")
    print(key)


def _until(expires_at: datetime | None) -> str:
    return "it is revoked" if expires_at is None else f"{expires_at:%Y-%m-%d %H:%M} UTC"
