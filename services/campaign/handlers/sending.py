"""From drawn to sent: two scheduled tasks, each harmless to repeat.

`prepare` makes, for the next participants, coupon, message and events in one transaction. `send` claims a batch,
commits the claim, sends, and records: after a crash in between the same ids go out again.
"""

import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, cast
from uuid import UUID, uuid5

import structlog

from services.campaign import metrics, rendering, saying
from services.campaign.channels import Channel, Delivery, Ready
from services.campaign.domain.audience import Arm, may_be_sent
from services.campaign.domain.campaigns import Campaign, Offer
from services.campaign.domain.coupons import CODE_BYTES, code_from
from services.campaign.errors import BadTemplate
from services.campaign.store import campaigns as campaigns_store
from services.campaign.store import messages as store
from services.campaign.store.campaigns import Participant
from services.campaign.store.messages import Message, NewCoupon, Settled
from shared.clock import Clock
from shared.db import Database, Transaction
from shared.errors import TransientError
from shared.events.campaign import CouponIssuedV1, CouponOffer, MessageChannel, MessageDecidedV1, MessageSentV1
from shared.log import Outgoing, append

log = structlog.get_logger()

PREPARED_AT_ONCE = 500
ATTEMPTS_MAX = 8
SAID_NAMES_MAX = 200
"""Of products and categories in one coupon's event."""
_RETRY_SECONDS = 30

_MESSAGES = UUID("8e7d3f0a-64c5-5a9b-9d3e-52f1b0c7a816")
_COUPONS = UUID("2c9a7f14-0d1b-5e63-8b41-7f0e6d5c3a92")


def message_id_for(campaign_id: UUID, customer_id: UUID) -> UUID:
    """Return the id of the one message that a campaign has for a customer."""
    return uuid5(_MESSAGES, f"{campaign_id}/{customer_id}")


def coupon_id_for(campaign_id: UUID, customer_id: UUID) -> UUID:
    return uuid5(_COUPONS, f"{campaign_id}/{customer_id}")


class Addresses(Protocol):
    """Reads contact data where it is kept."""

    async def email_addresses(self, customer_ids: Sequence[UUID]) -> Mapping[UUID, str]: ...


@dataclass(frozen=True, slots=True)
class Preparing:
    """Makes what each participant gets: the decision, said as an event, and a coupon and message if treated."""

    database: Database
    clock: Clock
    currency: str

    async def run(self) -> None:
        """Prepare everybody who was drawn."""
        for campaign in await campaigns_store.running_campaigns(self.database):
            while await self._prepare_next(campaign.campaign_id):
                pass

    async def _prepare_next(self, campaign_id: UUID) -> bool:
        now = self.clock.now()
        async with self.database.transaction() as tx:
            # Not paused or stopped meanwhile, and not before this transaction ends.
            campaign = await campaigns_store.find_campaign(tx, campaign_id, for_update=True)
            if campaign is None or campaign.state != "running":
                return False
            people = await campaigns_store.take_unprepared(tx, campaign_id, now, PREPARED_AT_ONCE)
            treated = [person.customer_id for person in people if person.arm is Arm.TREATED]
            if treated and not campaign.plan.dry:
                await self._make(tx, campaign, treated, now)
            await append(
                tx, [event for person in people for event in _decision(campaign, person, now, self.currency)]
            )
        return bool(people)

    async def _make(self, tx: Transaction, campaign: Campaign, treated: Sequence[UUID], now: datetime) -> None:
        campaign_id, plan = campaign.campaign_id, campaign.plan
        if plan.offer is not None:
            await _issue(tx, campaign, treated, now)
        if plan.template is not None:
            made = [(message_id_for(campaign_id, customer_id), customer_id) for customer_id in treated]
            await store.add_messages(tx, campaign_id, plan.channel, made, now)


async def _issue(tx: Transaction, campaign: Campaign, treated: Sequence[UUID], now: datetime) -> None:
    """Issue one coupon each; a code that is taken (once in many millions) is drawn again."""
    assert campaign.plan.offer is not None
    waiting = {coupon_id_for(campaign.campaign_id, customer_id): customer_id for customer_id in treated}
    while waiting:
        fresh = [
            NewCoupon(coupon_id, customer_id, code_from(secrets.token_bytes(CODE_BYTES)))
            for coupon_id, customer_id in waiting.items()
        ]
        issued = await store.add_coupons(
            tx, campaign.campaign_id, fresh, uses_max=campaign.plan.offer.uses_per_code, now=now
        )
        waiting = {key: customer_id for key, customer_id in waiting.items() if key not in issued}


def _decision(campaign: Campaign, person: Participant, now: datetime, currency: str) -> list[Outgoing]:
    """Say what was decided for one person, as of the draw. A dry run treats nobody: only its arms are said."""
    about = saying.About(person.customer_id, person.drawn_at, now)
    campaign_id, plan = campaign.campaign_id, campaign.plan
    is_sent = person.arm is Arm.TREATED and plan.template is not None and not plan.dry
    decided = MessageDecidedV1(
        customer_id=person.customer_id,
        message_id=message_id_for(campaign_id, person.customer_id),
        campaign_id=str(campaign_id),
        decision=_DECISIONS[person.arm] if is_sent or person.arm is not Arm.TREATED else "suppress",
        reason=person.reason
        if person.arm is not Arm.TREATED or is_sent
        else ("dry_run" if plan.dry else "no_message"),
        channel=cast("MessageChannel", plan.channel) if is_sent else None,
        arm=person.arm.value,
    )
    said = [saying.message_decided(about, decided)]
    if person.arm is Arm.TREATED and plan.offer is not None and not plan.dry:
        issued = CouponIssuedV1(
            customer_id=person.customer_id,
            coupon_id=coupon_id_for(campaign_id, person.customer_id),
            campaign_id=str(campaign_id),
            starts_at=plan.offer.valid_from,
            expires_at=plan.offer.valid_until,
            offer=_said_offer(plan.offer, currency),
        )
        said.append(saying.coupon_issued(about, issued))
    return said


def _said_offer(offer: Offer, currency: str) -> CouponOffer | None:
    """Return what a coupon takes off, as others need it; not a list of products that would fill the log."""
    if len(offer.categories) + len(offer.product_ids) > SAID_NAMES_MAX:
        return None
    return CouponOffer(
        percent=offer.percent,
        amount_minor=offer.amount_minor,
        currency=currency,
        min_basket_minor=offer.min_basket_minor,
        categories=offer.categories,
        product_ids=offer.product_ids,
        uses_max=offer.uses_per_code,
    )


_DECISIONS: Mapping[Arm, Literal["send", "hold_out", "suppress"]] = {
    Arm.TREATED: "send",
    Arm.HOLD_OUT: "hold_out",
    Arm.SUPPRESSED: "suppress",
}


@dataclass(frozen=True, slots=True)
class Sending:
    """Sends what is due. `channels` by name; `addresses` is asked only for channels that need one."""

    database: Database
    clock: Clock
    currency: str
    channels: Mapping[str, Channel]
    addresses: Addresses
    batch_max: int

    async def run(self) -> None:
        """Send batch after batch until nothing is due; withdraw what a stop left behind."""
        await store.withdraw_interrupted(self.database, self.clock.now())
        while messages := await store.claim_batch(self.database, self.clock.now(), self.batch_max):
            started = time.monotonic()
            await self._send(messages)
            metrics.SEND_SECONDS.labels(messages[0].channel).observe(time.monotonic() - started)

    async def _send(self, messages: Sequence[Message]) -> None:
        campaign = await campaigns_store.find_campaign(self.database, messages[0].campaign_id)
        assert campaign is not None
        suppressed = await self._suppressed(campaign, messages)
        wanted = [message for message in messages if message.message_id not in suppressed]
        channel = self.channels.get(campaign.plan.channel)
        addresses = None if channel is None else await self._addresses(channel, wanted)
        if channel is None or addresses is None:
            # No way out at the moment. Other campaigns' messages do not wait for it.
            away = Delivery(again=frozenset(message.message_id for message in wanted))
            await self._record(messages, suppressed, {}, away)
            return
        if channel.needs_address:
            missing = {message.message_id: "no_address" for message in wanted if message.customer_id not in addresses}
            suppressed |= missing
            wanted = [message for message in wanted if message.message_id not in missing]
        ready, broken = self._rendered(campaign, wanted, addresses)
        delivery = await channel.send(messages[0].batch, ready)
        await self._record(messages, suppressed, broken, delivery)

    async def _suppressed(self, campaign: Campaign, messages: Sequence[Message]) -> dict[UUID, str]:
        """Ask once more, right before sending: consent may be gone, and the offer over."""
        offer = campaign.plan.offer
        if offer is not None and self.clock.now() >= offer.valid_until:
            return {message.message_id: "too_late" for message in messages}
        customer_ids = [message.customer_id for message in messages]
        said = await campaigns_store.marketing_consents(self.database, customer_ids)
        suppressed = {
            message.message_id: "no_consent"
            for message in messages
            if not may_be_sent(said.get(message.customer_id, ()), campaign.plan.channel)
        }
        if campaign.plan.audience.is_by_profile:
            refusing = await campaigns_store.refusing_profiling(self.database, customer_ids)
            chosen_by_profile = [message for message in messages if message.customer_id in refusing]
            suppressed |= {message.message_id: "no_profiling" for message in chosen_by_profile}
        return suppressed

    async def _addresses(self, channel: Channel, messages: Sequence[Message]) -> Mapping[UUID, str] | None:
        """Return where each message goes, None when that cannot be read now."""
        if not channel.needs_address or not messages:
            return {}
        try:
            return await self.addresses.email_addresses([message.customer_id for message in messages])
        except TransientError as away:
            log.warning("campaign.addresses_away", reason=str(away))
            return None

    def _rendered(
        self, campaign: Campaign, messages: Sequence[Message], addresses: Mapping[UUID, str]
    ) -> tuple[list[Ready], dict[UUID, str]]:
        assert campaign.plan.template is not None
        ready, broken = [], {}
        for message in messages:
            values = rendering.values_for(campaign.plan, message.code, self.currency)
            try:
                text = rendering.render(campaign.plan.template, values)
            except BadTemplate as error:
                log.warning("campaign.template_failed", message_id=str(message.message_id), reason=error.message)
                broken[message.message_id] = "bad_template"
                continue
            address = addresses.get(message.customer_id)
            ready.append(
                Ready(message.message_id, message.campaign_id, message.customer_id, text, message.code, address)
            )
        return ready, broken

    async def _record(
        self,
        messages: Sequence[Message],
        suppressed: Mapping[UUID, str],
        broken: Mapping[UUID, str],
        delivery: Delivery,
    ) -> None:
        now = self.clock.now()
        given_up = {m.message_id for m in messages if m.attempts + 1 >= ATTEMPTS_MAX} & delivery.again
        failed = {**broken, **delivery.refused, **dict.fromkeys(given_up, "server_away")}
        again = [message for message in messages if message.message_id in delivery.again - given_up]
        settled = _outcomes(messages, suppressed, failed, {message.message_id for message in again})
        async with self.database.transaction() as tx:
            recorded = await store.settle(tx, settled, now)
            if again:
                attempt = max(message.attempts for message in again)
                await store.postpone(tx, again, now + timedelta(seconds=_RETRY_SECONDS * 2**attempt))
            fresh = [outcome for outcome in settled if outcome.message.message_id in recorded]
            await append(tx, [_sent(outcome, now) for outcome in fresh if outcome.state != "suppressed"])
        for outcome in fresh:
            metrics.MESSAGES.labels(outcome.message.channel, outcome.state).inc()


def _outcomes(
    messages: Sequence[Message],
    suppressed: Mapping[UUID, str],
    failed: Mapping[UUID, str],
    again: Collection[UUID],
) -> list[Settled]:
    settled = []
    for message in messages:
        if message.message_id in suppressed:
            settled.append(Settled(message, "suppressed", suppressed[message.message_id]))
        elif message.message_id in failed:
            settled.append(Settled(message, "failed", failed[message.message_id]))
        elif message.message_id not in again:
            settled.append(Settled(message, "sent"))
    return settled


def _sent(outcome: Settled, now: datetime) -> Outgoing:
    message = outcome.message
    data = MessageSentV1(
        customer_id=message.customer_id,
        message_id=message.message_id,
        campaign_id=str(message.campaign_id),
        channel=cast("MessageChannel", message.channel),
        state="failed" if outcome.state == "failed" else "sent",
        reason=outcome.reason,
    )
    return saying.message_sent(saying.About(message.customer_id, now, now), data)
