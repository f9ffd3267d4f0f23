"""Answering a request: who is asking, what they bought, one list or a page of lists, and what was shown."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from services.recommend import metrics
from services.recommend.domain.diversity import DEPTH, Diversity, spread
from services.recommend.domain.reasons import Language
from services.recommend.domain.requests import (
    MAX_LIMIT,
    Answer,
    Context,
    Filters,
    InvalidRequestError,
    Placement,
    Request,
    without_repeats,
)
from services.recommend.errors import InvalidQuestion
from services.recommend.handlers.activity import Shown, ShownBuffer
from services.recommend.serving.following import Following
from services.recommend.serving.given import Given, key_of
from services.recommend.serving.live import Live, Present
from services.recommend.serving.past import Past
from services.recommend.serving.recall import Recall
from services.recommend.store.activity import ShownRow
from shared.clock import Clock
from shared.customers.resolver import ResolverAway, SubjectResolver


class Missing(StrEnum):
    """What an answer had to do without."""

    HISTORY_AWAY = "history_away"
    HISTORY_MAYBE_OLD = "history_maybe_old"
    RESOLVER_AWAY = "resolver_away"
    CONSENT_WITHDRAWN = "consent_withdrawn"


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asked for: the first that is given counts; nobody is fine."""

    customer_id: UUID | None = None
    identifier: tuple[str, str] | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when lists are shown. `now` is None for the present."""

    store_id: str | None = None
    channel: str | None = None
    now: datetime | None = None
    language: Language = Language.ENGLISH


@dataclass(frozen=True, slots=True)
class Wish:
    """One list that is wished for."""

    placement: Placement
    limit: int = 10
    items: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)
    diversity: Diversity = Diversity.OFF
    is_personalized: bool = True


@dataclass(frozen=True, slots=True)
class Answered:
    """A list, who it is for, and what it was made of. `given`: the same list as it may have been given before."""

    request_id: UUID
    answer: Answer
    model_version: str
    customer_id: UUID | None
    is_personalized: bool
    missing: tuple[Missing, ...]
    present: Present
    given: Given | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """Whom the lists are for, as far as was found out in time.

    `version` stands for their state, 0 for nobody's; None where it may be another one at any moment.
    """

    customer_id: UUID | None = None
    past: Past | None = None
    session_items: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()
    version: int | None = 0


@dataclass(slots=True)
class Desk:
    """Answers from memory; who is not in it costs one read of their own purchases."""

    live: Live
    recall: Recall
    following: Following
    resolver: SubjectResolver
    shown: ShownBuffer
    clock: Clock

    async def answer(self, person: Person, place: Place, wish: Wish) -> Answered:
        """Answer one list. Raises InvalidQuestion, InvalidLookup; nothing that is away makes it fail."""
        return (await self.page(person, place, [wish]))[0]

    async def page(self, person: Person, place: Place, wishes: Sequence[Wish]) -> list[Answered]:
        """Answer several lists of one page; a product is on the first list alone that holds it."""
        at = place.now or self.clock.now()
        requests = [self._request(wish, wishes, place, at) for wish in wishes]
        known = await self._known(person, place, wishes)
        present = self.live.now
        given = [self._given(present, wish, request, known) for wish, request in zip(wishes, requests, strict=True)]
        is_alone = len(given) == 1
        answers = (
            [given[0].alone]
            if is_alone
            else without_repeats([each.answer for each in given], [wish.limit for wish in wishes])
        )
        answered = [
            Answered(
                uuid4(),
                answer,
                present.recommender.model_version,
                known.customer_id,
                is_personalized=wish.is_personalized and known.past is not None and known.past.basket_count > 0,
                missing=known.missing,
                present=present,
                given=given[0] if is_alone else None,
            )
            for wish, answer in zip(wishes, answers, strict=True)
        ]
        for each in answered:
            self._note(each, person, at)
        return answered

    @staticmethod
    def _request(wish: Wish, page: Sequence[Wish], place: Place, at: datetime) -> Request:
        """Ask for more than is wished where repeats of the page or of a type are taken out afterwards."""
        others = sum(other.limit for other in page if other is not wish)
        depth = wish.limit if wish.diversity is Diversity.OFF else wish.limit * DEPTH
        try:
            return Request(
                placement=wish.placement,
                context=Context(at, wish.items, place.store_id, place.channel),
                limit=min(depth + others, MAX_LIMIT),
                filters=wish.filters,
                personalized=wish.is_personalized,
                language=place.language,
            )
        except InvalidRequestError as invalid:
            pointer = "/" + invalid.field.replace(".", "/")
            raise InvalidQuestion(str(invalid), field=pointer) from invalid

    async def _known(self, person: Person, place: Place, wishes: Sequence[Wish]) -> _Known:
        """Find out who it is and what they bought, unless no list is to use it."""
        if not any(wish.is_personalized for wish in wishes):
            return _Known()
        customer_id = person.customer_id
        if customer_id is None and person.identifier is not None:
            try:
                customer_id = await self.resolver.subject_of(*person.identifier)
            except ResolverAway:
                return self._without(Missing.RESOLVER_AWAY)
        if customer_id is not None:
            return await self._customer(customer_id, place)
        if person.session_id is None or all(wish.items for wish in wishes):
            return _Known()
        seen = await self.recall.session_items(person.session_id)
        return self._without(Missing.HISTORY_AWAY) if seen is None else _Known(session_items=tuple(seen))

    async def _customer(self, customer_id: UUID, place: Place) -> _Known:
        own = await self.recall.own(customer_id, place.channel, place.now)
        if own is None:
            return self._without(Missing.HISTORY_AWAY, customer_id)
        if not own.is_allowed:
            return self._without(Missing.CONSENT_WITHDRAWN, own.customer_id)
        if own.is_old:
            metrics.DEGRADED.labels(Missing.HISTORY_MAYBE_OLD.value).inc()
        missing = (Missing.HISTORY_MAYBE_OLD,) if own.is_old else ()
        return _Known(own.customer_id, own.past, missing=missing, version=own.version)

    @staticmethod
    def _without(missing: Missing, customer_id: UUID | None = None) -> _Known:
        metrics.DEGRADED.labels(missing.value).inc()
        return _Known(customer_id, missing=(missing,))

    def _given(self, present: Present, wish: Wish, request: Request, known: _Known) -> Given:
        """Return the list as it was given before, if it would be the same; else make it."""
        if not request.context.items and known.session_items:
            request = replace(request, context=replace(request.context, items=known.session_items))
        version = known.version if wish.is_personalized else 0
        key = None if version is None else key_of(request, wish.limit, wish.diversity, version)
        found = None if key is None else present.given.find(key)
        if found is None:
            found = Given(self._ranked(present, wish, request, known), wish.limit)
            if key is not None:
                present.given.keep(key, found)
        metrics.ANSWERS.labels(wish.placement.value, str(found.answer.fallback_level)).inc()
        return found

    @staticmethod
    def _ranked(present: Present, wish: Wish, request: Request, known: _Known) -> Answer:
        with metrics.RANK_SECONDS.time():
            customer_id = str(known.customer_id) if known.past is not None else None
            answer = present.recommender.recommend(replace(request, customer_id=customer_id), known.past)
        if wish.diversity is Diversity.OFF:
            return answer
        assortment = present.recommender.assortment
        types = {
            item.product_id: assortment.products[assortment.index[item.product_id]].product_type
            for item in answer.items
        }
        return replace(answer, items=tuple(spread(answer.items, types, wish.diversity, MAX_LIMIT)))

    def _note(self, each: Answered, person: Person, at: datetime) -> None:
        row = ShownRow(
            each.request_id,
            at,
            each.customer_id,
            person.session_id,
            each.answer.placement.value,
            each.model_version,
            each.answer.fallback_level,
            [item.product_id for item in each.answer.items],
        )
        self.shown.add(Shown(row, each.answer.items))
