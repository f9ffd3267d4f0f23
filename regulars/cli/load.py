"""`regulars load completejourney|FILE`: history through the ingest API, as tills and back offices would send it."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console

from regulars.cli.options import DATA_DIR_DEFAULT, DataDir
from regulars.cli.progress import Bar
from regulars.cli.verify import credentials_of
from regulars.credentials import Credentials
from regulars.errors import RegularsError
from regulars.folder import DataFolder
from regulars.loading.completejourney import History
from regulars.loading.files import FileLoader
from regulars.loading.sender import Sender, Sent
from shared.clock import SystemClock


class FileKind(StrEnum):
    """What a file's lines are, in the words of ingest's imports."""

    RECEIPT_LINES = "receipt_lines"
    RECEIPTS = "receipts"
    CUSTOMERS = "customers"
    ATTRIBUTES = "attributes"
    PRODUCTS = "products"
    PRICES = "prices"
    STOCK = "stock"
    STORES = "stores"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class Loaded:
    """How a file's import ended, and where the report of its refused lines is."""

    ended: Mapping[str, Any]
    report: Path
    report_lines: int
    is_repeat: bool


TIMEOUT = httpx.Timeout(30.0, connect=5.0)


def load(  # noqa: PLR0913 (options of a command)
    data: Annotated[str, typer.Argument(help="completejourney, or a file (.csv, .parquet, .ndjson, .xml of POSLog)")],
    data_dir: DataDir = DATA_DIR_DEFAULT,
    *,
    households: Annotated[str, typer.Option(help="How many households of Complete Journey, or all.")] = "600",
    until: Annotated[str | None, typer.Option(help="The last date to load, YYYY-MM-DD.")] = None,
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move it by whole weeks so that the last day is yesterday.")
    ] = False,
    kind: Annotated[FileKind, typer.Option(help="What a line of FILE is.")] = FileKind.RECEIPT_LINES,
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=COLUMN where names do not tell; may be given several times.")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            help="How FILE is read: encoding=, delimiter=, decimal=, date_format=, time_zone=, currency=, as_of=, "
            "source=, provider=, format=; may be given several times."
        ),
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only show how FILE would be read.")] = False,
) -> None:
    folder = DataFolder.of(data_dir)
    credentials = credentials_of(folder)
    last = _date(until)
    if data == "completejourney":
        yesterday = SystemClock().now().date() - timedelta(days=1)
        history = History(households_of(households), yesterday if shift_to_now else None)
        _summarise(asyncio.run(_load_history(credentials, history, last)))
        return
    path = Path(data)
    if not path.is_file():
        raise RegularsError(f"{data}: there is no such file")
    query = _query(kind, column, option, last)
    if preview:
        asyncio.run(_preview_file(credentials, path, query))
    else:
        _tell(asyncio.run(_load_file(credentials, path, query)), path)


def _query(kind: FileKind, column: list[str] | None, option: list[str] | None, last: date | None) -> dict[str, str]:
    """Return what is said about a file, as ingest takes it."""
    query = {"kind": kind.value, **_pairs(option, "--option")}
    if column:
        query["mapping"] = json.dumps(_pairs(column, "--column"))
    if last is not None and kind is FileKind.RECEIPT_LINES:
        query["until"] = last.isoformat()
    return query


def households_of(text: str) -> int | None:
    """Read `600` or `all`."""
    if text == "all":
        return None
    if not text.isdigit() or int(text) == 0:
        raise typer.BadParameter(f"{text!r} is neither a number of households nor `all`", param_hint="--households")
    return int(text)


def ingest_client(credentials: Credentials) -> httpx.AsyncClient:
    """Return a client that speaks to ingest as the administrator."""
    return httpx.AsyncClient(
        base_url=credentials.addresses["ingest"],
        headers={"Authorization": f"Bearer {credentials.api_key}"},
        timeout=TIMEOUT,
        trust_env=False,
    )


async def _load_history(credentials: Credentials, history: History, until: date | None) -> Sent:
    before_day = history.day_of(until) + 1 if until else 10_000
    things = (
        ("/v1/catalogue/stores", "stores", history.stores),
        ("/v1/catalogue/products", "products", history.products),
        ("/v1/customers", "customers", history.customers),
    )
    async with ingest_client(credentials) as client:
        for path, name, items in things:
            with Bar(name, len(items)) as bar:
                await Sender(client, bar.advance).send(path, name, items)
        with Bar("receipts", history.receipt_count(0, before_day)) as bar:
            return await Sender(client, bar.advance).send("/v1/receipts", "receipts", history.receipts(0, before_day))


async def _load_file(credentials: Credentials, path: Path, query: Mapping[str, str]) -> Loaded:
    async with ingest_client(credentials) as client:
        loader = FileLoader(client)
        begun = await loader.upload(path, query)
        total = begun["progress"]["rows_total"] or 0
        with Bar("lines", total) as bar:
            loader.on_rows = bar.reach
            ended = await loader.follow(begun["import_id"])
        target = path.with_name(path.name + ".refused.csv")
        return Loaded(ended, target, await loader.save_report(begun["import_id"], target), begun["is_repeat"])


async def _preview_file(credentials: Credentials, path: Path, query: Mapping[str, str]) -> None:
    async with ingest_client(credentials) as client:
        loader = FileLoader(client)
        begun = await loader.upload(path, {**query, "preview": "true"})
        if begun["state"] == "waiting":
            await loader.cancel(begun["import_id"])
    if begun["preview"] is None:
        print(f"{path.name} was loaded before, by import {begun['import_id']}; nothing would change")
        return
    show_preview(begun["preview"])


def show_preview(seen: Mapping[str, Any]) -> None:
    """Print which column became what, the first items and the first refusals."""
    for each in seen["columns"]:
        print(f"{each['column']}  ->  {each['target'] or '(left out)'}")
    for missing in seen["missing"]:
        print(f"missing: {missing}; say which column it is with --column {missing}=COLUMN")
    for row in seen["rows"]:
        print(f"line {row['line']}: {json.dumps(row['item'], ensure_ascii=False)}")
    for refused in seen["refusals"]:
        print(f"line {refused['line']} would be refused: {refused['column'] or ''} {refused['message']}")
    for hint in seen["hints"]:
        print(f"hint: {hint}")


def _tell(loaded: Loaded, path: Path) -> None:
    """Say how a file's import ended. Exits 1 where a line was refused, in conflict, or the file unreadable."""
    progress = loaded.ended["progress"]
    if loaded.is_repeat:
        print(f"{path.name} was loaded before; this is how that ended:")
    counts = ", ".join(
        f"{progress[name]:,} {name}" for name in ("accepted", "repeated", "conflicts", "refused") if progress[name]
    )
    print(f"{progress['rows_read']:,} lines: {counts or 'nothing to load'}")
    if loaded.report_lines:
        print(f"{loaded.report_lines:,} lines have remarks; line numbers and reasons: {loaded.report}")
    if loaded.ended["state"] != "done":
        Console(stderr=True).print(f"{path.name}: {loaded.ended['failure'] or loaded.ended['state']}")
    if loaded.ended["state"] != "done" or progress["refused"] + progress["conflicts"]:
        raise typer.Exit(1)


def _pairs(given: list[str] | None, name: str) -> dict[str, str]:
    pairs = [each.partition("=") for each in given or []]
    wrong = [left for left, sign, _ in pairs if not sign or not left]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r} is not NAME=VALUE", param_hint=name)
    return {left: right for left, _, right in pairs}


def _summarise(sent: Sent) -> None:
    counted = ", ".join(f"{count:,} {status}" for status, count in sorted(sent.statuses.items()))
    print(f"receipts: {counted or 'none'}")
    for receipt, answer in sent.refused[:10]:
        Console(stderr=True).print(f"{receipt['business_date']} {receipt['sequence_number']}: {answer['message']}")
    if sent.statuses["refused"] + sent.statuses["conflict"]:
        raise typer.Exit(1)


def _date(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a date such as 2017-10-31", param_hint="--until") from error
