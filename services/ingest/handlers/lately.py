"""What this process stored of people a moment ago, and need not store again.

A device or a customer says many things in a row, and each names the same subjects and links them in the same way.
What is remembered was committed; it is forgotten within a minute, so that a link that a reviewer undid, or a person
who was erased, is looked at afresh soon after.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from cachetools import TTLCache

from services.ingest.handlers.settling import Ready
from services.ingest.store.subjects import NewSubject, PendingLink

SaidLink = tuple[str, tuple[UUID, ...]]
"""Why subjects are one person's, and which, strongest first."""
KEPT_SECONDS = 60.0
KEPT_MAX = 50_000


def _fresh() -> "TTLCache[UUID | SaidLink, bool]":
    return TTLCache(KEPT_MAX, KEPT_SECONDS)


@dataclass(frozen=True, slots=True)
class Lately:
    """Subjects and links that were committed in the last minute."""

    _stored: "TTLCache[UUID | SaidLink, bool]" = field(default_factory=_fresh)

    def unknown_subjects(self, accepted: Iterable[Ready]) -> list[NewSubject]:
        """Return the subjects of these events that may be new, each once."""
        unique = {subject.subject_id: subject for one in accepted for subject in one.subjects}
        return [subject for subject_id, subject in unique.items() if subject_id not in self._stored]

    def unknown_links(self, accepted: Iterable[Ready], new: set[UUID]) -> list[PendingLink]:
        """Return what numbering is to link: several identifiers of one person, or a person seen for the first time.

        Each link once. A source that may not link says nothing about other identifiers than its own device.
        """
        links: dict[SaidLink, PendingLink] = {}
        for one in accepted:
            linked = _linked(one)
            cause = one.draft.link_cause
            is_news = len(linked) > 1 or bool(new.intersection(linked))
            if is_news and (cause, linked) not in self._stored:
                links.setdefault((cause, linked), PendingLink(one.event_id, linked, one.draft.occurred_at, cause))
        return list(links.values())

    def committed(self, accepted: Iterable[Ready]) -> None:
        """Remember what these events said of people: it is stored."""
        for one in accepted:
            self._stored.update(dict.fromkeys((subject.subject_id for subject in one.subjects), True))
            linked = _linked(one)
            if len(linked) > 1:
                self._stored[one.draft.link_cause, linked] = True


def _linked(one: Ready) -> tuple[UUID, ...]:
    """Return the subjects that an event says are one person's, strongest first; none where it names no person."""
    if one.draft.subject_kind != "identified":
        return ()
    subject_ids = tuple(subject.subject_id for subject in one.subjects)
    return subject_ids if one.draft.links else subject_ids[:1]
