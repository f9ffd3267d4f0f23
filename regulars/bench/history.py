"""Real shopping history for the benchmarks that need customers: Complete Journey, sent through ingest."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from regulars.bench.temporary import Say, Temporary
from regulars.cli.load import ingest_client
from regulars.errors import RegularsError
from regulars.loading.completejourney import History
from regulars.loading.sender import Item, Sender
from shared.clock import SystemClock

LAST_DAY = 10_000


class HistoryRefused(RegularsError):
    """Ingest refused a part of the history."""


def load_history(deployment: Temporary, households: int, say: Say) -> Sequence[str]:
    """Send a year of so many households, ending yesterday; return their cards when every service has applied it.

    Raises HistoryRefused, SendFailed, NeverSettled.
    """
    cards: list[str] = load_year(deployment, households, say).lines["customer_id"].unique().sort().to_list()
    return cards


def load_year(deployment: Temporary, households: int | None, say: Say) -> History:
    """Send the same of so many households, None: of all; return what was sent. Raises as `load_history`."""
    history = History(households, SystemClock().now().date() - timedelta(days=1))
    who = "all households" if households is None else f"{households} households"
    say(f"sending the year of {who}: {history.receipt_count(0, LAST_DAY):,} receipts")
    asyncio.run(_send(deployment, history))
    say(f"every service had applied everything {deployment.settle():.1f} s later")
    return history


async def _send(deployment: Temporary, history: History) -> None:
    parts = (
        ("/v1/catalogue/stores", "stores", history.stores),
        ("/v1/catalogue/products", "products", history.products),
        ("/v1/customers", "customers", history.customers),
        ("/v1/receipts", "receipts", history.receipts(0, LAST_DAY)),
    )
    async with ingest_client(deployment.credentials) as client:
        for path, name, items in parts:
            sent = await Sender(client).send(path, name, items)
            if sent.refused:
                answer: Item = sent.refused[0][1]
                raise HistoryRefused(f"{len(sent.refused)} {name} were refused; the first: {answer}")
