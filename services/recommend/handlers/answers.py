"""Answering a request: who is asking, what they bought, one list or a page of lists, and what was shown."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from services.recommend import metrics
from services.recommend.domain.capping import Exposure
from services.recommend.domain.diversity import Diversity
from services.recommend.domain.offers import Coupon
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
from services.recommend.serving.exposures import Exposures
from services.recommend.serving.histories import Histories
from services.recommend.serving.live import Live, Present
from services.recommend.serving.past import Past
from services.recommend.serving.policies import Policies
from services.recommend.serving.policy import Policy
from services.recommend.store.activity import ShownRow
from shared.clock import Clock
from shared.customers.resolver import ResolverAway, SubjectResolver


class Missing(StrEnum):
    """What an answer had to do without."""

    HISTORY_AWAY = "history_away"
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
    """Where and when lists are shown. `now` is None for the present, `customer_age` (years) where nobody checked."""

    store_id: str | None = None
    channel: str | None = None
    now: datetime | None = None
    language: Language = Language.ENGLISH
    customer_age: int | None = None


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
    """A list, who it is for, and what it was made of."""

    request_id: UUID
    answer: Answer
    model_version: str
    customer_id: UUID | None
    is_personalized: bool
    missing: tuple[Missing, ...]
    present: Present


@dataclass(frozen=True, slots=True)
class _Known:
    """Whom the lists are for, as far as was found out in time."""

    customer_id: UUID | None = None
    past: Past | None = None
    session_items: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()
    exposure: Exposure = field(default_factory=Exposure)
    coupons: Sequence[Coupon] = ()


@dataclass(slots=True)
class Desk:
    """Answers from memory and one read of the customer's own purchases."""

    live: Live
    histories: Histories
    resolver: SubjectResolver
    shown: ShownBuffer
    clock: Clock
    policies: Policies = field(default_factory=Policies)
    exposures: Exposures | None = None
    coupons: Callable[[UUID, datetime], Awaitable[Sequence[Coupon]]] | None = None

    async def answer(self, person: Person, place: Place, wish: Wish) -> Answered:
        """Answer one list. Raises InvalidQuestion, InvalidLookup; nothing that is away makes it fail."""
        return (await self.page(person, place, [wish]))[0]

    async def page(self, person: Person, place: Place, wishes: Sequence[Wish]) -> list[Answered]:
        """Answer several lists of one page; a product is on the first list alone that holds it."""
        at = place.now or self.clock.now()
        requests = [self._request(wish, wishes, place, at) for wish in wishes]
        known = await self._exposed(await self._known(person, place, wishes), wishes, at)
        present = self.live.now
        answers = [
            self._ranked(present, wish, request, known) for wish, request in zip(wishes, requests, strict=True)
        ]
        answers = without_repeats(answers, [wish.limit for wish in wishes])
        answered = [
            Answered(
                request.request_id or uuid4(),
                answer,
                present.recommender.model_version,
                known.customer_id,
                is_personalized=wish.is_personalized and known.past is not None and known.past.basket_count > 0,
                missing=known.missing,
                present=present,
            )
            for wish, request, answer in zip(wishes, requests, answers, strict=True)
        ]
        for each in answered:
            self._note(each, person, at)
        return answered

    async def tried(self, person: Person, place: Place, wish: Wish, policy: Policy) -> Answer:
        """Answer one list under another policy; it is shown to nobody, explores nothing, and is not written down."""
        at = place.now or self.clock.now()
        request = replace(self._request(wish, [wish], place, at), request_id=None)
        known = await self._exposed(await self._known(person, place, [wish]), [wish], at)
        return self._made(self.live.now, wish, request, known, policy)

    async def follow_policy(self) -> None:
        """Take up changed rules and settings now."""
        await self.policies.check(self.live.now.recommender.assortment)

    @staticmethod
    def _request(wish: Wish, page: Sequence[Wish], place: Place, at: datetime) -> Request:
        """Ask for more than is wished where repeats of the page are taken out afterwards."""
        others = sum(other.limit for other in page if other is not wish)
        try:
            return Request(
                placement=wish.placement,
                context=Context(at, wish.items, place.store_id, place.channel),
                limit=wish.limit,
                spare=min(others, MAX_LIMIT),
                filters=wish.filters,
                customer_age=place.customer_age,
                personalized=wish.is_personalized,
                language=place.language,
                request_id=uuid4(),
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
        seen = await self.histories.session_items(person.session_id)
        return self._without(Missing.HISTORY_AWAY) if seen is None else _Known(session_items=tuple(seen))

    async def _customer(self, customer_id: UUID, place: Place) -> _Known:
        own = await self.histories.own(customer_id, place.channel, place.now)
        if own is None:
            return self._without(Missing.HISTORY_AWAY, customer_id)
        if not own.is_allowed:
            return self._without(Missing.CONSENT_WITHDRAWN, own.customer_id)
        return _Known(own.customer_id, own.past)

    @staticmethod
    def _without(missing: Missing, customer_id: UUID | None = None) -> _Known:
        metrics.DEGRADED.labels(missing.value).inc()
        return _Known(customer_id, missing=(missing,))

    async def _exposed(self, known: _Known, wishes: Sequence[Wish], at: datetime) -> _Known:
        """Find out what a known customer was shown lately, and their coupons, where a list asks for it."""
        if known.past is None or known.customer_id is None:
            return known
        personal = [wish.placement for wish in wishes if wish.is_personalized]
        if self.exposures is not None and any(self.policies.settings(each).frequency_cap for each in personal):
            known = replace(known, exposure=await self.exposures.of(known.customer_id, at))
        if self.coupons is not None and Placement.CAMPAIGN in personal:
            known = replace(known, coupons=await self.coupons(known.customer_id, at))
        return known

    def _ranked(self, present: Present, wish: Wish, request: Request, known: _Known) -> Answer:
        policy = self.policies.over(present.recommender.assortment)
        with metrics.RANK_SECONDS.time():
            answer = self._made(present, wish, request, known, policy)
        metrics.ANSWERS.labels(wish.placement.value, str(answer.fallback_level)).inc()
        return answer

    @staticmethod
    def _made(present: Present, wish: Wish, request: Request, known: _Known, policy: Policy) -> Answer:
        cap = policy.of(wish.placement).frequency_cap if wish.is_personalized else None
        capped = frozenset[str]() if cap is None else cap.capped(known.exposure, request.context.now)
        customer_id = str(known.customer_id) if known.past is not None else None
        context = request.context
        if not context.items and known.session_items:
            context = replace(context, items=known.session_items)
        asked = replace(request, context=context, customer_id=customer_id, diversity=wish.diversity)
        return present.recommender.recommend(asked, known.past, policy, capped, known.coupons)

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
        if self.exposures is not None and each.customer_id is not None:
            self.exposures.note(each.customer_id, at, row.product_ids)
        for effect in each.answer.effects:
            metrics.RULE_EFFECTS.labels(effect.kind, effect.outcome.value).inc()
