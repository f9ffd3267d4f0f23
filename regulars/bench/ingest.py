"""How fast ingest accepts receipts and refuses repeats, and how soon what it acknowledged can be read elsewhere.

Everything runs while it is measured: the four other services consume what ingest accepts, on the same cores.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from regulars.bench.bare import bare_server
from regulars.bench.figures import Bare, Figure, Sense, Spread, Target
from regulars.bench.pace import Run, connected, flat_out
from regulars.bench.receipts import LINES, Tills, batches, cards, singles
from regulars.bench.temporary import Say, Temporary
from regulars.bench.visible import acknowledged_to_visible
from regulars.bench.wire import Request
from regulars.credentials import deployment_key_file, read_deployment_key
from regulars.errors import RegularsError
from shared.clock import SystemClock
from shared.identity import BlindIndexKeys, normalise, subject_id_for

BATCH = 100


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is sent. Receipts have ten lines; a batch is `batch` of them."""

    receipts: int = 10_000
    batch: int = BATCH
    repeats: int = 5_000
    singles: int = 1_000
    customers: int = 1_000
    batch_connections: int = 4
    single_connections: int = 8
    visible_per_second: float = 100.0
    visible_seconds: float = 15.0

    def in_words(self) -> str:
        return (
            f"{self.receipts:,} receipts of {LINES} lines for {self.customers:,} cards in batches of {self.batch} over"
            f" {self.batch_connections} connections, {self.repeats:,} of them again, {self.singles:,} more one a"
            f" request over {self.single_connections} connections; then {self.visible_per_second:g} a second for"
            f" {self.visible_seconds:g} s; all five services at work"
        )


class WrongCount(RegularsError):
    """Not every item was answered as it should be: then a rate would mean nothing."""


def measure(deployment: Temporary, say: Say, sizes: Sizes | None = None) -> list[Figure]:
    """Measure on an empty deployment, which is left filled. Raises WrongCount, UnexpectedAnswer, NoAnswer."""
    sizes = sizes or Sizes()
    tills = Tills(SystemClock().now())
    holders = cards(sizes.customers)
    warm_up = batches(tills.receipts(holders, sizes.customers), sizes.batch)
    fresh = batches(tills.receipts(holders, sizes.receipts), sizes.batch)
    again = fresh[: max(1, sizes.repeats // sizes.batch)]
    alone = singles(tills.receipts(holders, sizes.singles))

    say(f"sending {sizes.receipts:,} receipts in batches of {sizes.batch}")
    asyncio.run(_sent(deployment, warm_up, sizes.batch_connections)).checked()
    accepted = _counted(asyncio.run(_sent(deployment, fresh, sizes.batch_connections)), "accepted", sizes.receipts)
    say(f"sending {sizes.repeats:,} of them again")
    repeats = _counted(asyncio.run(_sent(deployment, again, sizes.batch_connections)), "repeat", len(again) * sizes.batch)
    say(f"sending {sizes.singles:,} receipts one by one")
    single = _counted(asyncio.run(_sent(deployment, alone, sizes.single_connections)), "accepted", sizes.singles)
    behind_seconds = deployment.settle()
    say(f"everything was applied {behind_seconds:.1f} s later; the bare application takes the same bodies now")
    bare = _bare(deployment, fresh, again, alone, sizes)
    say(f"following receipts at {sizes.visible_per_second:g} a second until they can be read")
    visible = _visible(deployment, tills, holders, sizes)
    return _figures(sizes, (accepted, repeats, single), bare, behind_seconds, visible)
