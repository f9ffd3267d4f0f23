"""`regulars load completejourney|FILE`: history through the ingest API, as tills would have sent it."""

import asyncio
import csv
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console

from regulars.cli.options import DATA_DIR_DEFAULT, DataDir
from regulars.cli.progress import Bar
from regulars.cli.verify import credentials_of
from regulars.credentials import Credentials
from regulars.datasets.lines import LineFile, LineFileError, read_lines
from regulars.deployment import Choices
from regulars.errors import RegularsError
from regulars.folder import DataFolder
from regulars.loading.completejourney import History
from regulars.loading.receipts import Till, keyed_baskets, receipts
from regulars.loading.sender import Sender, Sent
from shared.clock import SystemClock

TIMEOUT = httpx.Timeout(30.0, connect=5.0)


def load(
    data: Annotated[
        str, typer.Argument(help="completejourney, or a file of receipt lines (.csv, .parquet, .ndjson)")
    ],
    data_dir: DataDir = DATA_DIR_DEFAULT,
    *,
    households: Annotated[str, typer.Option(help="How many households of Complete Journey, or all.")] = "600",
    until: Annotated[str | None, typer.Option(help="The last date to load, YYYY-MM-DD.")] = None,
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move it by whole weeks so that the last day is yesterday.")
    ] = False,
) -> None:
    folder = DataFolder.of(data_dir)
    credentials = credentials_of(folder)
    last = _date(until)
    if data == "completejourney":
        yesterday = SystemClock().now().date() - timedelta(days=1)
        history = History(households_of(households), yesterday if shift_to_now else None)
        sent = asyncio.run(_load_history(credentials, history, last))
    else:
        sent = asyncio.run(_load_file(credentials, Path(data), Choices.load(folder), last))
    _summarise(sent)


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


async def _load_file(credentials: Credentials, path: Path, choices: Choices, until: date | None) -> Sent:
    try:
        read = read_lines(path, time_zone=choices.time_zone, currency=choices.currency)
    except LineFileError as error:
        raise RegularsError(str(error)) from error
    _write_refused(path, read)
    till = Till(choices.currency, choices.time_zone)
    written = receipts(read.lines, keyed_baskets(read.lines), till)
    chosen = (each for each in written if until is None or each["business_date"] <= until.isoformat())
    async with ingest_client(credentials) as client:
        with Bar("receipts", read.lines["basket_id"].n_unique()) as bar:
            return await Sender(client, bar.advance).send("/v1/receipts", "receipts", chosen)


def _write_refused(path: Path, read: LineFile) -> None:
    if not read.refused:
        return
    target = path.with_name(path.name + ".refused.csv")
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["line_number", "field", "reason"])
        writer.writerows([each.line_number, each.field, each.reason] for each in read.refused)
    print(f"{len(read.refused):,} lines were refused; line numbers and reasons: {target}")


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
