"""The rules of consuming, without I/O: what of a batch is next, what is a repeat, a gap, or another history."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

DEAD_LETTERS_IN_A_ROW_MAX = 20
BATCH_RECORDS = 500

Line = tuple[str, str]
"""The origin and topic of a record: within one partition, a line is what is numbered 1, 2, 3 …"""


@dataclass(frozen=True, slots=True)
class Incoming:
    """One numbered event as it came, from the broker or from its producer's log."""

    origin: str
    topic: str
    partition: int
    seq: int
    event_id: UUID
    prev_event_id: UUID | None
    type: str
    body: bytes
    offset: int | None = None
    traceparent: str | None = None

    @property
    def line(self) -> Line:
        return self.origin, self.topic


@dataclass(frozen=True, slots=True)
class Position:
    """How far one line of one partition was applied, and why it stands still if it does."""

    origin: str
    topic: str
    partition: int
    last_seq: int = 0
    last_event_id: UUID | None = None
    next_offset: int = 0
    dead_in_a_row: int = 0
    braked_version: str | None = None
    forked_reason: str | None = None

    @property
    def line(self) -> Line:
        return self.origin, self.topic

    def stands_still(self, code_version: str) -> bool:
        """Say whether nothing more may be applied: a fork waits for a person, a brake for one or for other code."""
        return self.forked_reason is not None or self.braked_version == code_version


@dataclass(frozen=True, slots=True)
class Due:
    """What a batch means for a position: what to apply now, and what stands in the way of the rest."""

    ready: list[Incoming] = field(default_factory=list)
    repeats: int = 0
    beyond_gap: list[Incoming] = field(default_factory=list)
    fork: str | None = None


def due(position: Position, records: Sequence[Incoming]) -> Due:
    """Sort out one line's records against its position.

    `seq <= last` is a repeat; `seq == last + 1` is next, if it names the event before it; anything later waits
    behind a gap. An event that names another predecessor, or another event at the last place, is a fork.
    """
    ready: list[Incoming] = []
    repeats = 0
    last_seq, last_event_id = position.last_seq, position.last_event_id
    in_order = sorted(records, key=lambda record: record.seq)
    for index, record in enumerate(in_order):
        if record.seq == last_seq and record.event_id != last_event_id:
            return Due(ready, repeats, [], f"seq {last_seq} is {last_event_id} here, {record.event_id} there")
        if record.seq <= last_seq:
            repeats += 1
            continue
        if record.seq > last_seq + 1:
            return Due(ready, repeats, in_order[index:], None)
        if record.prev_event_id != last_event_id:
            return Due(ready, repeats, [], f"seq {record.seq} follows {record.prev_event_id}, here {last_event_id}")
        ready.append(record)
        last_seq, last_event_id = record.seq, record.event_id
    return Due(ready, repeats, [], None)


@dataclass(frozen=True, slots=True)
class Head:
    """How far the producer said that one line of one partition goes, and when it was asked (monotonic seconds)."""

    numbered: int
    published: int
    asked_at: float = float("-inf")


def fork_by_head(position: Position, head: Head) -> str | None:
    """Return why the producer's log is of another history, if its head shows it."""
    if head.numbered < position.last_seq:
        return f"the log ends at {head.numbered}, but {position.last_seq} was applied here"
    return None


def fork_by_page(position: Position, page: Sequence[Incoming]) -> str | None:
    """Return why a page of the producer's log does not continue this position, if it does not."""
    if not page:
        return f"nothing follows {position.last_seq} in the log"
    if page[0].origin != position.origin:
        return f"the log is {page[0].origin} now"
    sorted_out = due(position, page)
    if sorted_out.fork is None and len(sorted_out.ready) < len(page):
        return f"the log has a gap after {position.last_seq + len(sorted_out.ready)}"
    return sorted_out.fork


def advance(position: Position, handled: Sequence[Incoming], offset: int | None) -> Position:
    """Return the position after these records, all handled: applied, or kept as dead letters."""
    if not handled:
        return position if offset is None else replace(position, next_offset=max(offset, position.next_offset))
    return replace(
        position,
        last_seq=handled[-1].seq,
        last_event_id=handled[-1].event_id,
        next_offset=position.next_offset if offset is None else offset,
    )


def lease_name(partition: int) -> str:
    """Return the name of the lease under which a partition's lines are applied."""
    return f"partition:{partition}"


def fair_share(partitions: int, members: int, rank: int) -> int:
    """Return how many partitions the worker of this rank (0 is the first) holds, so that all are held, each once."""
    each, left_over = divmod(partitions, max(members, 1))
    return each + (rank < left_over)
