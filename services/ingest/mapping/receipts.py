"""Receipts from tills."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from services.ingest.domain.clocks import ClockReading
from services.ingest.domain.digests import content_digest
from services.ingest.domain.faults import Refused
from services.ingest.domain.privacy import holds_card_number
from services.ingest.domain.shares import spread
from services.ingest.domain.times import EARLIEST_YEAR, check_business_date, check_moment
from services.ingest.drafts import Context, Draft, Item, KnownEvent, Settled
from services.ingest.mapping.reading import check_size, identified, read
from services.ingest.mapping.standard import known_products, standard_receipt
from services.ingest.schemas.receipts import OriginalIn, ReceiptIn
from shared.events import EventData
from shared.events.receipts import ReceiptKind, ReceiptLine, ReceiptRecordedV1, ReceiptVoidedV1, ReturnsOf
from shared.identity import TillKey
from shared.money import InvalidMoney, currency_exponent

KIND = "receipts"
_NOT_SAID = {"identifiers", "sequence_epoch", "occurred_at", "sent_at"}
_SAID_BY_FEW = {"status": "completed", "employee": False}
"""Fields that came later and their values when unsaid: leaving them out keeps every older digest as it was."""
COUPONS_MAX = 50


def draft_receipt(item: Item) -> Draft:
    """Understand one receipt. Raises Refused."""
    check_size(item)
    context = item.context
    fields, corrections = standard_receipt(item.fields)
    receipt = read(ReceiptIn, fields)
    terminal = (receipt.store_id, receipt.terminal_id)
    occurred_at = receipt.occurred_at + timedelta(minutes=_clock_minutes(receipt, context))
    _check(receipt, occurred_at, context)
    people = identified(receipt.identifiers, context)
    unsaid = {name for name, value in _SAID_BY_FEW.items() if getattr(receipt, name) == value}
    voided = receipt.returns_of
    content = content_digest(
        context.secrets.contents,
        (
            receipt.occurred_at.astimezone(UTC).isoformat().encode(),
            b"".join(one.blind_index for one in people.identifiers),
            ReceiptIn.__pydantic_serializer__.to_json(receipt, exclude=_NOT_SAID | unsaid),
        ),
    )
    key = till_key(receipt)
    # After the digest: a repeat stays one when the catalogue has changed in between.
    lines, found = known_products(receipt.lines, context.codes)
    if found:
        receipt = receipt.model_copy(update={"lines": lines})
    return Draft(
        place=item.place,
        context=item.context,
        kind=KIND,
        key=key,
        at_ms=key.at_ms,
        occurred_at=occurred_at,
        content=content,
        original=item.original,
        says=lambda settled: [_said(receipt, settled, context)],
        key_field="/sequence_number",
        # What an employee buys is in the store's figures and in nobody's own: a guest's receipt.
        identifiers=() if receipt.employee else people.identifiers,
        sealed_for=people.identifiers[0] if receipt.employee and people.identifiers else None,
        links=context.source.may_link,
        is_epoch_given=receipt.sequence_epoch is not None,
        store_id=receipt.store_id,
        refers_to=None if voided is None else original_key(voided),
        refers_with_epoch=voided is not None and voided.sequence_epoch is not None,
        ignored=people.ignored,
        reading=ClockReading(terminal, receipt.occurred_at, receipt.sent_at),
        corrections=(*corrections, *people.corrections, *found),
    )


def _clock_minutes(receipt: ReceiptIn, context: Context) -> int:
    """Return the minutes to add to the till's time; what no clock shows is left for the check to refuse."""
    if not EARLIEST_YEAR <= receipt.occurred_at.year <= context.received_at.year + 1:
        return 0
    return context.clock_minutes.get((receipt.store_id, receipt.terminal_id), 0)


def till_key(receipt: ReceiptIn | OriginalIn) -> TillKey:
    return TillKey(
        receipt.store_id,
        receipt.terminal_id,
        receipt.business_date,
        receipt.sequence_number,
        receipt.sequence_epoch or 0,
        isinstance(receipt, ReceiptIn) and receipt.status == "suspended",
    )


original_key = till_key


def till_key_of_item(item: Mapping[str, Any]) -> TillKey | None:
    """Return a refused receipt's key, where that much of it can be read."""
    try:
        return till_key(read(OriginalIn, {**item, "lines": ()}))
    except Refused:
        return None


def _check(receipt: ReceiptIn, occurred_at: datetime, context: Context) -> None:
    """Raise Refused for what fields alone cannot say."""
    if not context.source.may_record_receipts:
        raise Refused("source_may_not", "a public source cannot record receipts; use a server's or till's key")
    if not context.source.speaks_for(receipt.store_id):
        raise Refused("store_not_allowed", "this key is not for that store; use the store's own", "/store_id")
    check_moment(occurred_at, context.received_at, "/occurred_at")
    check_business_date(receipt.business_date, context.received_at, "/business_date")
    _check_currency(receipt.currency)
    _check_parts(receipt)
    for place, tender in enumerate(receipt.tenders):
        if tender.reference and holds_card_number(tender.reference):
            raise Refused(
                "card_number",
                "looks like a payment card's number, which is never kept; send the payment's reference",
                f"/tenders/{place}/reference",
            )


def _check_currency(currency: str | None) -> None:
    if currency is None:
        return
    try:
        currency_exponent(currency)
    except InvalidMoney:
        raise Refused("invalid_field", "is no active ISO 4217 currency", "/currency") from None


def _check_parts(receipt: ReceiptIn) -> None:
    if receipt.kind == "void" and receipt.returns_of is None:
        raise Refused("missing_field", "a void names the receipt that it takes back", "/returns_of")
    if receipt.kind == "void" and receipt.status != "completed":
        raise Refused(
            "invalid_field", "a void is completed; a receipt given up is sent again as cancelled", "/status"
        )
    if receipt.kind != "void" and not receipt.lines and receipt.status == "completed":
        raise Refused("missing_field", f"a {receipt.kind} has at least one line", "/lines")
    off_minor = sum(discount.amount_minor for discount in receipt.discounts)
    if off_minor > sum(line.amount_minor for line in receipt.lines if _is_discounted(receipt, line)):
        raise Refused("invalid_field", "come to more than the lines; send a line's own with the line", "/discounts")
    if len({line.line_number for line in receipt.lines}) != len(receipt.lines):
        raise Refused("invalid_field", "two lines have the same line_number; number them from 1", "/lines")


def _said(receipt: ReceiptIn, settled: Settled, context: Context) -> EventData:
    return _voided(receipt, settled, context) if receipt.kind == "void" else _recorded(receipt, settled, context)


def _recorded(receipt: ReceiptIn, settled: Settled, context: Context) -> ReceiptRecordedV1:
    offset = receipt.occurred_at.utcoffset()
    return ReceiptRecordedV1(
        receipt_id=settled.event_id,
        store_id=receipt.store_id,
        terminal_id=receipt.terminal_id,
        business_date=receipt.business_date,
        sequence_number=receipt.sequence_number,
        sequence_epoch=settled.epoch,
        currency=receipt.currency or context.currency,
        training=receipt.training,
        status=receipt.status,
        **_clock_of(receipt, context),
        kind=cast("ReceiptKind", receipt.kind),
        lines=_paid_lines(receipt),
        discounts=receipt.discounts,
        coupons=_coupons(receipt),
        tenders=receipt.tenders,
        returns_of=_returns_of(receipt.returns_of, settled),
        other_subject_ids=settled.other_subject_ids,
        utc_offset_minutes=0 if offset is None else int(offset.total_seconds()) // 60,
        channel=receipt.channel,
        staff_id=receipt.staff_id,
        employee=receipt.employee,
    )


def _clock_of(receipt: ReceiptIn, context: Context) -> dict[str, Any]:
    """Return what an event keeps of the till's own time, where that was corrected."""
    correction = _clock_minutes(receipt, context)
    return {"device_at": receipt.occurred_at, "clock_skew_minutes": correction} if correction else {}


def _paid_lines(receipt: ReceiptIn) -> tuple[ReceiptLine, ...]:
    """Return the lines with the whole receipt's discounts spread over them, so that they add up to what was paid.

    In an exchange they are spread over what was bought: what came back was paid before.
    """
    off_minor = sum(discount.amount_minor for discount in receipt.discounts)
    if not off_minor:
        return receipt.lines
    discounted = [line.amount_minor if _is_discounted(receipt, line) else 0 for line in receipt.lines]
    paid = spread(sum(discounted) - off_minor, discounted)
    return tuple(
        line.model_copy(update={"amount_minor": share}) if _is_discounted(receipt, line) else line
        for line, share in zip(receipt.lines, paid, strict=True)
    )


def _is_discounted(receipt: ReceiptIn, line: ReceiptLine) -> bool:
    return receipt.kind != "exchange" or not line.returned


def _coupons(receipt: ReceiptIn) -> tuple[str, ...]:
    """Return every coupon code on the receipt, once, also those that only its discounts name."""
    codes = dict.fromkeys(receipt.coupons)
    for discounts in (receipt.discounts, *(line.discounts for line in receipt.lines)):
        for discount in discounts:
            if discount.kind == "coupon" and discount.code:
                codes[discount.code] = None
    return tuple(codes)[:COUPONS_MAX]


def _returns_of(original: OriginalIn | None, settled: Settled) -> ReturnsOf | None:
    if original is None:
        return None
    assert settled.original_id is not None
    return ReturnsOf(
        receipt_id=settled.original_id,
        store_id=original.store_id,
        terminal_id=original.terminal_id,
        business_date=original.business_date,
        sequence_number=original.sequence_number,
        lines=original.lines,
    )


def _voided(receipt: ReceiptIn, settled: Settled, context: Context) -> ReceiptVoidedV1:
    assert settled.original_id is not None
    return ReceiptVoidedV1(
        receipt_id=settled.event_id,
        store_id=receipt.store_id,
        terminal_id=receipt.terminal_id,
        business_date=receipt.business_date,
        sequence_number=receipt.sequence_number,
        sequence_epoch=settled.epoch,
        currency=_void_currency(receipt, settled.original) or context.currency,
        training=receipt.training,
        **_clock_of(receipt, context),
        voids_receipt_id=settled.original_id,
        amount_minor=_void_amount_minor(receipt, settled.original),
        reason=receipt.reason,
    )


def _void_currency(receipt: ReceiptIn, original: KnownEvent | None) -> str | None:
    return receipt.currency or (original.currency if original is not None else None)


def _void_amount_minor(receipt: ReceiptIn, original: KnownEvent | None) -> int:
    """Return what the voided receipt came to: as said, as its lines add up, or as the original is known."""
    if receipt.amount_minor is not None:
        return receipt.amount_minor
    if receipt.lines:
        return _sum_minor(receipt)
    return original.sold_minor or 0 if original is not None else 0


def _sum_minor(receipt: ReceiptIn) -> int:
    lines: Sequence[Any] = receipt.lines
    return sum(line.amount_minor for line in lines if not line.returned)
