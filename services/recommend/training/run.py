"""Owns `python -m services.recommend train`: read the receipts, train and judge, store, put into use."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import polars as pl

from services.recommend.assortment import assortment_of
from services.recommend.domain.facts import Fact, net_receipts
from services.recommend.domain.products import Product
from services.recommend.domain.purchases import Receipt, days_since_epoch
from services.recommend.registry import SERVICE, Say, promote, train_version
from services.recommend.serving.catalogue import listed_of
from services.recommend.settings import Settings
from services.recommend.store import experiments, history, models, shelf
from services.recommend.training.dataset import Dataset, dataset_of
from services.recommend.training.origins import TooLittleDataError
from shared.clock import SystemClock
from shared.db import Database
from shared.errors import TransientError
from shared.registry import By, Manifest, Registry, Verdict
from shared.service import opened

NICENESS = 10
LOCK = "hashtextextended('recommend.training', 0)"

_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer_id": pl.String,
    "basket_id": pl.String,
    "store_id": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "product_id": pl.List(pl.String),
}


class AlreadyTrainingError(Exception):
    """Another process trains on the same database."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training."""

    manifest: Manifest
    verdict: Verdict


def train(settings: Settings, arguments: Sequence[str]) -> None:
    """Train as of `--as-of` (now where not given); exits 1 when there is too little data or the gate refuses."""
    parser = argparse.ArgumentParser(prog="python -m services.recommend train")
    parser.add_argument("--low-priority", action="store_true", help="give way to everything else on the machine")
    parser.add_argument("--as-of", type=_moment, help="date or time; receipts from then on are not looked at")
    parsed = parser.parse_args(arguments)
    as_of = parsed.as_of or SystemClock(settings.clock_offset_file).now()
    if parsed.low_priority:
        os.nice(NICENESS)
    started = time.monotonic()
    try:
        trained = asyncio.run(run(settings, as_of, _print))
    except (TooLittleDataError, AlreadyTrainingError) as error:
        sys.stdout.write(f"not trained: {error}\n")
        sys.exit(1)
    outcome = "in use" if trained.verdict.passed else "NOT in use"
    seconds = time.monotonic() - started
    sys.stdout.write(f"{trained.manifest.version} {outcome}: {trained.verdict.reason} ({seconds:.0f} s)\n")
    if not trained.verdict.passed:
        sys.exit(1)


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def run(settings: Settings, as_of: datetime, say: Say) -> Trained:
    """Train, store and promote through the gate; `say` hears what is being done.

    Raises TooLittleDataError, AlreadyTrainingError.
    """
    async with opened(settings, "recommend-train") as database, _alone(database):
        return await _trained(settings, database, as_of, say)


@asynccontextmanager
async def _alone(database: Database) -> AsyncIterator[None]:
    """Hold the lock of training; it is the session's, so that it goes with a process that is killed."""
    async with database.session() as session:
        if not await session.fetchval(f"SELECT pg_try_advisory_lock({LOCK})"):
            raise AlreadyTrainingError("another training runs on this database; wait for its end")
        try:
            yield
        finally:
            with suppress(TransientError):
                await session.execute(f"SELECT pg_advisory_unlock({LOCK})")


async def _trained(settings: Settings, database: Database, as_of: datetime, say: Say) -> Trained:
    say(f"reading the receipts before {as_of:%Y-%m-%d %H:%M} UTC")
    dataset = await read_dataset(database, as_of)
    known = await read_products(database)
    baskets, customers, products = dataset.at.size, len(dataset.customer_ids), len(dataset.product_ids)
    say(f"{baskets:,} receipts of {customers:,} customers, {products:,} products")
    registry = Registry(settings.models_folder, SERVICE)
    assortment = assortment_of(dataset.product_ids, known)
    created_at = SystemClock(settings.clock_offset_file).now()
    switches = settings.switches()
    manifest = train_version(registry, dataset, assortment, days_since_epoch(as_of), created_at, say, switches)
    verdict = promote(registry, manifest.version, By.of("training", created_at))
    await _prune(registry, database, manifest.version)
    return Trained(manifest, verdict)


async def _prune(registry: Registry, database: Database, new_version: str) -> None:
    """Drop old versions, but none that somebody has just named or names now."""
    async with database.transaction() as tx:
        await experiments.only_one_changes(tx)
        held = await experiments.model_versions_held(tx)
        shadow = await models.shadow(tx)
        registry.prune({new_version, *held, *([] if shadow is None else [shadow.version])})


async def read_dataset(database: Database, as_of: datetime) -> Dataset:
    """Read every customer's kept purchases before a moment. Raises TooLittleDataError when there is none."""
    owners = await history.assignments(database)
    to_net: dict[UUID, list[Fact]] = {
        owners.get(each, each): [] for each in await history.who_returned(database, as_of)
    }
    for subject_id, fact in await history.returns_of_others(database, as_of):
        to_net.setdefault(owners.get(subject_id, subject_id), []).append(fact)
    frames: list[pl.DataFrame] = []
    async for page in history.receipts_before(database, as_of):
        kept: list[tuple[UUID, Fact]] = []
        for subject_id, fact in page:
            customer_id = owners.get(subject_id, subject_id)
            if customer_id in to_net:
                to_net[customer_id].append(fact)
            else:
                kept.append((customer_id, fact))
        frames.append(_frame([row for customer_id, fact in kept for row in _rows(customer_id, [fact])]))
    frames.append(_frame([row for customer_id, facts in to_net.items() for row in _rows(customer_id, facts)]))
    lines = pl.concat(frames)
    if lines.is_empty():
        raise TooLittleDataError("there are no receipts of known customers")
    return dataset_of(lines.explode("product_id"))


async def read_products(database: Database) -> Mapping[str, Product]:
    """Return what the catalogue says of products, without prices: those of the past are not known."""
    async with database.session() as session:
        return {row["product_id"]: listed_of(dict(row)).product for row in await shelf.products(session)}


Row = tuple[str, str, str, datetime, list[str]]


def _rows(customer_id: UUID, facts: Sequence[Fact]) -> list[Row]:
    return [_row(customer_id, receipt) for receipt in net_receipts(facts)]


def _row(customer_id: UUID, receipt: Receipt) -> Row:
    products = [line.product_id for line in receipt.lines]
    return str(customer_id), receipt.receipt_id, receipt.store_id, receipt.at, products


def _frame(rows: Sequence[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
