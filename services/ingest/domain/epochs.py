"""Tills that start counting again: which run of numbers (epoch) of a terminal's day a receipt belongs to.

A terminal that was reset at noon prints number 1 twice on one day. Without the epoch its afternoon would look
like conflicts with its morning. A number that falls back by more than `FALL_BACK_MIN` while the terminal's time
goes on opens the next epoch; a late upload falls back in time as well, and stays where it belongs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.ingest.domain.runs import Runs, with_number

FALL_BACK_MIN = 50
EPOCHS_MAX = 20
"""Found out in one terminal's day; a terminal with more counts in no order at all, and its day stays as it is."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One run of numbers of one terminal on one business day."""

    number: int
    opened_at: datetime
    last_sequence: int
    last_at: datetime
    received: Runs = ()
    """The numbers that came; what lies between them has not been seen yet."""
    is_new: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class TillMoment:
    """What of a receipt decides its epoch."""

    place: int
    sequence_number: int
    occurred_at: datetime
    given: int | None = None
    """The epoch that the till itself named, which stands."""


def settle_epochs(known: Sequence[Epoch], receipts: Iterable[TillMoment]) -> tuple[dict[int, int], tuple[Epoch, ...]]:
    """Return each receipt's epoch by its place, and the epochs as they are afterwards.

    Receipts of one upload are looked at in the order in which they happened, whatever order they came in.
    """
    epochs = {epoch.number: epoch for epoch in known}
    chosen: dict[int, int] = {}
    for receipt in sorted(receipts, key=lambda one: (one.occurred_at, one.sequence_number, one.place)):
        number = _epoch_of(list(epochs.values()), receipt)
        chosen[receipt.place] = number
        epochs[number] = _advanced(epochs.get(number), number, receipt)
    return chosen, tuple(epochs[number] for number in sorted(epochs))


def _epoch_of(epochs: Sequence[Epoch], receipt: TillMoment) -> int:
    if receipt.given is not None:
        return receipt.given
    if not epochs:
        return 0
    opened = [epoch for epoch in epochs if epoch.opened_at <= receipt.occurred_at]
    if not opened:
        return min(epochs, key=lambda epoch: epoch.opened_at).number
    current = max(opened, key=lambda epoch: epoch.number)
    falls_back = receipt.sequence_number < current.last_sequence - FALL_BACK_MIN
    is_newest = current.number == max(epoch.number for epoch in epochs)
    may_open = is_newest and len(epochs) < EPOCHS_MAX
    if falls_back and may_open and receipt.occurred_at > current.last_at:
        return current.number + 1
    return current.number


def _advanced(epoch: Epoch | None, number: int, receipt: TillMoment) -> Epoch:
    if epoch is None:
        came = with_number((), receipt.sequence_number)
        return Epoch(number, receipt.occurred_at, receipt.sequence_number, receipt.occurred_at, came, is_new=True)
    return replace(
        epoch,
        opened_at=min(epoch.opened_at, receipt.occurred_at),
        last_sequence=max(epoch.last_sequence, receipt.sequence_number),
        last_at=max(epoch.last_at, receipt.occurred_at),
        received=with_number(epoch.received, receipt.sequence_number),
    )
