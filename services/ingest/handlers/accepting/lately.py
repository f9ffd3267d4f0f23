"""What this process stored of people a moment ago, and need not store again.

A device or a customer says many things in a row, and each names the same subjects and links them in the same way.
What is remembered was committed; it is forgotten within a minute, so that a link that a reviewer undid, or a person
who was erased, is looked at afresh soon after.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from services.ingest.domain.marks import Marks
from services.ingest.handlers.accepting.settling import Ready
from services.ingest.store.subjects import NewSubject, PendingLink

SaidLink = tuple[str, tuple[UUID, ...], Marks | None]
"""Why subjects are one person's, which, strongest first, and what was told of the name."""
KEPT_SECONDS = 60.0
KEPT_MAX = 50_000


@dataclass(slots=True)
class Lately:
    """Subjects and links that were committed since `_began`; all are forgotten at once, which is cheaper."""

    seconds_now: Callable[[], float] = time.monotonic
    _stored: set[UUID | SaidLink] = field(default_factory=set)
    _began: float = float("-inf")

    def tidy(self) -> None:
        """Forget everything once a minute, or when it is too much; between two requests."""
        if self.seconds_now() - self._began > KEPT_SECONDS or len(self._stored) > KEPT_MAX:
            self._stored.clear()
            self._began = self.seconds_now()

    def unknown_subjects(self, ready: Iterable[Ready]) -> dict[UUID, NewSubject]:
        """Return the subjects of these events that may be new, by their ids."""
        stored = self._stored
        return {one.subject_id: one for each in ready for one in each.subjects if one.subject_id not in stored}

    def unknown_links(self, accepted: Iterable[Ready], new: set[UUID]) -> list[PendingLink]:
        """Return what numbering is to link: several identifiers of one person, a name, or a person seen first.

        Each link once. A source that may not link says nothing about other identifiers than its own device.
        """
        links: dict[SaidLink, PendingLink] = {}
        for one in accepted:
            said = _said(one)
            cause, linked, marks = said
            is_news = len(linked) > 1 or bool(linked and marks is not None) or bool(new.intersection(linked))
            if is_news and said not in self._stored:
                pending = PendingLink(one.event_id, linked, one.draft.occurred_at, cause, marks)
                links.setdefault(said, pending)
        return list(links.values())

    def committed(self, accepted: Iterable[Ready]) -> None:
        """Remember what these events said of people: it is stored."""
        for one in accepted:
            self._stored.update([subject.subject_id for subject in one.subjects])
            said = _said(one)
            if len(said[1]) > 1 or said[2] is not None:
                self._stored.add(said)


def _said(one: Ready) -> SaidLink:
    """Return what an event says of whom; a name only where the source may say who is who."""
    return one.draft.link_cause, _linked(one), one.draft.marks if one.draft.links else None


def _linked(one: Ready) -> tuple[UUID, ...]:
    """Return the subjects that an event says are one person's, strongest first; none where it names no person."""
    if one.draft.subject_kind != "identified":
        return ()
    subject_ids = tuple(subject.subject_id for subject in one.subjects)
    return subject_ids if one.draft.links else subject_ids[:1]
