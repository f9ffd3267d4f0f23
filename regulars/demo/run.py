"""The demo's plot: load up to eight weeks before the end, foretell, load the rest, and see what came true."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import islice

import httpx

from regulars.cli.load import ingest_client
from regulars.cli.progress import Bar
from regulars.cli.verify import point_rule_of
from regulars.credentials import Credentials, deployment_key_file, read_deployment_key
from regulars.demo import hindsight
from regulars.demo.campaigning import Campaigning
from regulars.demo.databases import segments_are_current, standing
from regulars.demo.shop import Shop
from regulars.demo.story import Offered, Story
from regulars.errors import RegularsError
from regulars.folder import DataFolder
from regulars.loading.completejourney import History
from regulars.loading.sender import Item, Sender, Sent
from regulars.state import running_state
from regulars.status import collect
from regulars.training import train
from regulars.verification.checks import verify
from shared.clock import SystemClock, write_offset
from shared.errors import TransientError
from shared.identity import BlindIndexKeys, normalise, subject_id_for

HELD_BACK_DAYS = 56
RESENT_RECEIPTS = 500
SETTLE_SECONDS = 180.0
POLL_SECONDS = 0.3
LAST_DAY = 10_000
PLACEMENTS = ("for-you", "discover")
OFFERED_ITEMS = 8
ASKED_ITEMS = 10


class DemoFailed(RegularsError):
    """A step of the demo failed; the message says which and why."""


@contextmanager
def step(name: str, say: Callable[[str], None], seconds: dict[str, float]) -> Iterator[None]:
    """Say what is being done, and note in `seconds` how long it took.

    Raises DemoFailed, naming the step, for whatever a deployment can do wrong.
    """
    say(name)
    began = time.monotonic()
    try:
        yield
    except (RegularsError, TransientError, httpx.HTTPError) as error:
        # Some of httpx's errors have no words of their own.
        raise DemoFailed(f"the demo stopped while {name}: {str(error) or type(error).__name__}") from error
    seconds[name] = round(time.monotonic() - began, 1)


@dataclass
class Demo:
    """One run against a deployment that is up and empty."""

    folder: DataFolder
    credentials: Credentials
    history: History
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        assert self.history.last_date is not None
        self.cut_day = self.history.day_of(self.history.last_date) + 1 - HELD_BACK_DAYS
        self.end_day = self.cut_day + HELD_BACK_DAYS
        self.visits = hindsight.visit_days(self.history.lines)
        self.card_of = self._cards()
        self.shop = Shop.of(self.credentials)
        self.campaigning = Campaigning(self.shop, self.credentials, self.history, self.card_of, self.cut_day)
        self.story = Story(
            households=len(self.visits),
            first_date=self.history.date_of(0),
            cut_date=self.history.date_of(self.cut_day),
            last_date=self.history.last_date,
        )

    def run(self) -> Story:
        """Go through all steps; raise DemoFailed naming the step that failed."""
        with self._step("sending the catalogue, the stores and what is known of cardholders"):
            self.set_clock(self.history.morning_of(self.story.cut_date))
            self._send_things()
        with self._step(f"sending receipts up to {self.story.cut_date:%d %B %Y}; the eight weeks after it wait"):
            self._send_receipts(0, self.cut_day)
            self._send_again()
        with self._step("waiting until every service has applied everything"):
            self.settle()
            applied_at = SystemClock().now()
        with self._step("training the recommendations"):
            train(self.folder, "recommend", self.say)
        with self._step("training the churn warnings"):
            train(self.folder, "churn", self.say)
        with self._step("waiting until profile has put everybody into segments, once a minute"):
            self.await_segments(applied_at)
        with self._step("scoring everybody, asking about one customer, starting a campaign"):
            self._foretell()
        with self._step("sending the eight weeks that were held back"):
            self.set_clock(None)
            self._send_receipts(self.cut_day, LAST_DAY)
            self.settle()
        with self._step("seeing what came true"):
            self._look_back()
        with self._step("recounting from the archive what every service holds"):
            self.settle()
            self._recount()
        return self.story

    def _step(self, name: str) -> AbstractContextManager[None]:
        return step(name, self.say, self.story.seconds)

    def set_clock(self, now: datetime | None) -> None:
        """Make the services believe that it is `now`; None: the machine's own time again."""
        offset = timedelta(0) if now is None else now - SystemClock().now()
        write_offset(self.folder.clock_offset_file, offset)

    def _send_things(self) -> None:
        things = {"stores": self.history.stores, "products": self.history.products}
        for name, items in things.items():
            self._send(f"/v1/catalogue/{name}", name, items, len(items))
        self._send("/v1/customers", "customers", self.history.customers, len(self.history.customers))

    def _send_receipts(self, first_day: int, before_day: int) -> None:
        count = self.history.receipt_count(first_day, before_day)
        began = time.monotonic()
        self._send("/v1/receipts", "receipts", self.history.receipts(first_day, before_day), count)
        self.story.receipts += count
        self.story.receipts_seconds += time.monotonic() - began

    def _send_again(self) -> None:
        """Send some receipts a second time, as a till does that lost the answer."""
        again = islice(self.history.receipts(self.cut_day - 7, self.cut_day), RESENT_RECEIPTS)
        sent = self._send("/v1/receipts", "receipts", again, RESENT_RECEIPTS, note="a second time")
        self.story.repeats_sent = sent.items
        self.story.repeats_refused = sent.statuses["repeat"]

    def _send(self, path: str, name: str, items: Iterable[Item], count: int, note: str = "") -> Sent:
        async def sending() -> Sent:
            async with ingest_client(self.credentials) as client:
                with Bar(f"{name} {note}".strip(), count) as bar:
                    return await Sender(client, bar.advance).send(path, name, items)

        sent = asyncio.run(sending())
        if sent.refused:
            item, answer = sent.refused[0]
            raise DemoFailed(f"{len(sent.refused)} {name} were refused; the first: {answer}, sent {str(item)[:300]}")
        self.story.accepted += sent.statuses["accepted"]
        return sent

    def settle(self) -> None:
        """Wait until every consumer stands at the head of every log."""
        waiting_since = time.monotonic()
        while (now := asyncio.run(standing(self.credentials))).behind:
            self._wait_on(waiting_since, f"still behind: {now.behind}")
        self.story.numbered, self.story.applied = now.numbered, now.applied

    def await_segments(self, applied_at: datetime) -> None:
        """Wait until everybody's segments are of what was applied by then, and everybody was told."""
        waiting_since = time.monotonic()
        while not asyncio.run(segments_are_current(self.credentials, applied_at)):
            self._wait_on(waiting_since, "profile has not scored everybody")
        self.settle()

    def _wait_on(self, waiting_since: float, reason: str) -> None:
        if time.monotonic() - waiting_since > SETTLE_SECONDS:
            raise DemoFailed(f"after {SETTLE_SECONDS:.0f} s {reason}; the logs are in {self.folder.logs}")
        time.sleep(POLL_SECONDS)

    def _foretell(self) -> None:
        """Ask what the services know on the morning of the cut."""
        self.story.scored = self.shop.post("churn", "/v1/score")
        self.story.warnings = self.shop.warnings()
        self.settle()
        self.story.card = self._typical_card()
        self.story.customer = self.shop.customer(self.story.card)
        store_id = self.story.customer["usual_store_id"]
        for placement in PLACEMENTS:
            answer = self.shop.recommendations(placement, self.story.card, store_id, OFFERED_ITEMS)
            self.story.offered.append(Offered.of(placement, answer))
        self._ask_for_everybody()
        self.story.campaign = self.campaigning.start(self.history.morning_of(self.story.cut_date))

    def _ask_for_everybody(self) -> None:
        """Ask what to offer to each active customer, and what just sells most."""
        self.active = hindsight.active_at(self.visits, self.cut_day)
        trending = self.shop.recommendations("trending", self.story.card, None, ASKED_ITEMS)
        self.trending = [item["id"] for item in trending["items"]]
        self.offers: dict[str, list[str]] = {}
        with Bar("customers asked for", len(self.active)) as bar:
            for card in self.active:
                began = time.monotonic()
                answer = self.shop.recommendations("for-you", card, None, ASKED_ITEMS)
                self.story.answer_ms.append(1000 * (time.monotonic() - began))
                self.offers[card] = [item["id"] for item in answer["items"]]
                bar.advance(1)

    def _typical_card(self) -> str:
        """Return the card of somebody who comes oftener than three in four, and came lately."""
        lately = sorted(
            (sum(day < self.cut_day for day in days), card)
            for card, days in self.visits.items()
            if any(self.cut_day - 14 <= day < self.cut_day for day in days)
        )
        return lately[len(lately) * 3 // 4][1]

    def _look_back(self) -> None:
        """Hold everything foretold against the weeks that were held back."""
        later = hindsight.bought(self.history.lines, self.story.card, self.cut_day)
        for offered in self.story.offered:
            offered.bought_later = {item["id"]: later[item["id"]] for item in offered.items if item["id"] in later}
        warned = [self.card_of[warning["customer_id"]] for warning in self.story.warnings]
        for each in warned[:10]:
            lost = hindsight.came_true(self.visits, [each], self.cut_day, self.end_day).lost
            self.story.urgent_lost.append(bool(lost))
        regular = hindsight.regular_at(self.visits, self.cut_day)
        purchases = hindsight.purchases(self.history.lines, self.cut_day)
        popular = dict.fromkeys(self.offers, self.trending)
        self.story.personal_hits = hindsight.hits(self.offers, purchases)
        self.story.popular_hits = hindsight.hits(popular, purchases)
        self.story.warned = hindsight.came_true(self.visits, warned, self.cut_day, self.end_day)
        self.story.regulars = hindsight.came_true(self.visits, regular, self.cut_day, self.end_day)
        assert self.story.campaign is not None
        self.campaigning.redeem_as_tills_would(self.story.campaign)
        self.story.same_treatment = self.campaigning.same_treatment_result()
        self.story.simulated = self.campaigning.simulated_response()

    def _recount(self) -> None:
        self.story.verification = asyncio.run(verify(self.credentials.database, point_rule_of(self.folder)))
        state = running_state(self.folder)
        self.story.processes = [asdict(process) for process in collect(state)] if state else []

    def _cards(self) -> dict[str, str]:
        """Return the loyalty card behind each customer id: only the deployment's own key can tell."""
        keys = BlindIndexKeys.from_deployment_key(read_deployment_key(deployment_key_file(self.folder)))
        cards = {}
        for card in self.visits:
            index = keys.blind_index("loyalty_card", normalise("loyalty_card", card))
            cards[str(subject_id_for("loyalty_card", index))] = card
        return cards
