"""Answering a request: who is asking, what they bought, one list or a page of lists, and what was shown."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from services.recommend import metrics
from services.recommend.domain.capping import Exposure
from services.recommend.domain.experiments import NO_SWITCH, Switch
from services.recommend.domain.interleaving import NOBODYS, Team, interleaved
from services.recommend.domain.offers import Coupon
from services.recommend.domain.requests import (
    MAX_LIMIT,
    Answer,
    Context,
    InvalidRequestError,
    Placement,
    Request,
    without_repeats,
)
from services.recommend.domain.wishes import Missing, Person, Place, Wish
from services.recommend.errors import InvalidQuestion
from services.recommend.handlers.shown import Shown, ShownBuffer
from services.recommend.serving.exposures import Exposures
from services.recommend.serving.following import Following
from services.recommend.serving.given import Given, key_of
from services.recommend.serving.live import Live, Present
from services.recommend.serving.past import Past
from services.recommend.serving.policies import Policies
from services.recommend.serving.policy import Policy
from services.recommend.serving.reading import Patience
from services.recommend.serving.recall import Recall
from services.recommend.serving.shadow import Answering, Shadow
from services.recommend.serving.trials import Trial, Trials
from services.recommend.serving.wallets import Wallets
from services.recommend.store.activity import ShownRow
from shared.clock import Clock
from shared.customers.resolver import ResolverAway, SubjectResolver

WAIT_SECONDS = 0.12


@dataclass(frozen=True, slots=True)
class Ranked:
    """A list with what made it; `teams` is of an interleaving: which variant brought each product.

    `given` is the list as it may be given again; None where it is not one that was made alone.
    """

    answer: Answer
    present: Present
    is_personalized: bool
    trial: Trial | None = None
    teams: Mapping[str, Team] | None = None
    given: Given | None = None

    @classmethod
    def of(cls, given: Given, present: Present, wish: Wish, trial: Trial | None = None) -> "Ranked":
        return cls(given.answer, present, wish.is_personalized, trial, given=given)


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
    trial: Trial | None = None
    teams: Mapping[str, Team] | None = None
    took_ms: float = 0.0


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
    exposure: Exposure = field(default_factory=Exposure)
    coupons: Sequence[Coupon] = ()
    segments: tuple[str, ...] = ()

    def but_for(self, missing: Missing) -> "_Known":
        """Return the same, with one thing more that could not be found out."""
        metrics.DEGRADED.labels(missing.value).inc()
        return replace(self, missing=(*self.missing, missing))


@dataclass(slots=True)
class Desk:
    """Answers from memory; who is not in it costs one read of their own purchases.

    `wait_seconds`: how long an answer waits in all for whatever is not in memory.
    """

    live: Live
    recall: Recall
    following: Following
    resolver: SubjectResolver
    shown: ShownBuffer
    clock: Clock
    trials: Trials = field(default_factory=Trials)
    shadow: Shadow | None = None
    policies: Policies = field(default_factory=Policies)
    exposures: Exposures | None = None
    wallets: Wallets | None = None
    wait_seconds: float = WAIT_SECONDS

    async def answer(self, person: Person, place: Place, wish: Wish) -> Answered:
        """Answer one list. Raises InvalidQuestion, InvalidLookup; nothing that is away makes it fail."""
        return (await self.page(person, place, [wish]))[0]

    async def page(self, person: Person, place: Place, wishes: Sequence[Wish]) -> list[Answered]:
        """Answer several lists of one page; a product is on the first list alone that holds it."""
        started = time.perf_counter()
        at = place.now or self.clock.now()
        is_closed, place = self._open(place)
        requests = [self._request(wish, wishes, place, at) for wish in wishes]
        known = await self._found_out(person, place, wishes, at)
        unit = _unit_of(known, person)
        known = known.but_for(Missing.STORE_CLOSED) if is_closed else known
        ranked: list[Ranked] = []
        for wish, request in zip(wishes, requests, strict=True):
            if ranked:
                # A page is up to ten lists: who asks for one of theirs does not wait for all of these.
                await asyncio.sleep(0)
            ranked.append(self._tried(wish, request, known, self.trials.trial_of(wish.placement, unit)))
        given = ranked[0].given if len(ranked) == 1 else None
        answers = (
            without_repeats([each.answer for each in ranked], [wish.limit for wish in wishes])
            if given is None
            else [given.alone]
        )
        took_ms = (time.perf_counter() - started) * 1000
        answered = [
            Answered(
                request.request_id or uuid4(),
                answer,
                each.present.recommender.model_version,
                known.customer_id,
                is_personalized=each.is_personalized and known.past is not None and known.past.basket_count > 0,
                missing=known.missing,
                present=each.present,
                given=given,
                trial=each.trial,
                teams=each.teams,
                took_ms=took_ms,
            )
            for request, each, answer in zip(requests, ranked, answers, strict=True)
        ]
        for each in answered:
            self._note(each, person, at)
        if self.shadow is not None:
            for each, wish, request in zip(answered, wishes, requests, strict=True):
                if each.trial is None:
                    self.shadow.consider(Answering(each.present, _asked(wish, request, known), known.past))
        return answered

    def _tried(self, wish: Wish, request: Request, known: _Known, trial: Trial | None) -> Ranked:
        """Make the list as its experiment wants it; where a variant's version is not held, as without one."""
        present = self.live.now
        if trial is None:
            return Ranked.of(self._given(present, wish, request, known), present, wish)
        presents = [self.live.version(treatment.model_version) for treatment in trial.treatments]
        held = [each for each in presents if each is not None]
        if len(held) < len(presents):
            metrics.TRIALS_LEFT_OUT.labels(trial.experiment_id).inc()
            return Ranked.of(self._given(present, wish, request, known), present, wish)
        wishes = [wish.under(treatment) for treatment in trial.treatments]
        switches = [treatment.switch for treatment in trial.treatments]
        if len(switches) > 1:
            # Which of both lists shows what was explored is drawn again: its probability would not be what is told.
            switches = [replace(switch, exploration=False) for switch in switches]
        lists = [
            self._given(each, treated, _under(request, treated), known, switch)
            for each, treated, switch in zip(held, wishes, switches, strict=True)
        ]
        if len(lists) == 1:
            return Ranked.of(lists[0], held[0], wishes[0], trial)
        is_personalized = any(treated.is_personalized for treated in wishes)
        one, other = (each.answer for each in lists)
        answer, teams = interleaved(one, other, request.limit + request.spare, f"{trial.unit}/{request.context.now}")
        return Ranked(answer, held[0], is_personalized, trial, teams)

    async def preview(self, person: Person, place: Place, wish: Wish, policy: Policy) -> Answer:
        """Answer one list under another policy; it is shown to nobody, explores nothing, and is not written down."""
        at = place.now or self.clock.now()
        _, place = self._open(place)
        request = replace(self._request(wish, [wish], place, at), request_id=None)
        known = await self._found_out(person, place, [wish], at)
        return self._made(self.live.now, wish, request, known, policy)

    def _open(self, place: Place) -> tuple[bool, Place]:
        """Say whether a place's store is closed; its shelf, prices and rules then help nobody, and are left aside."""
        if place.store_id is None or place.store_id not in self.live.now.closed_stores:
            return False, place
        return True, place.anywhere()

    async def follow_policy(self) -> None:
        """Take up changed rules and settings now."""
        await self.policies.check(self.live.goods)

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

    async def _found_out(self, person: Person, place: Place, wishes: Sequence[Wish], at: datetime) -> _Known:
        """Find out of whoever asks what the lists need, as far as it comes in time."""
        patience = Patience(self.wait_seconds)
        return await self._exposed(await self._known(person, place, wishes, patience), wishes, at, patience)

    async def _known(self, person: Person, place: Place, wishes: Sequence[Wish], patience: Patience) -> _Known:
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
            return await self._customer(customer_id, place, patience)
        if person.session_id is None or all(wish.items for wish in wishes):
            return _Known()
        seen = await self.recall.session_items(person.session_id, patience)
        return self._without(Missing.HISTORY_AWAY) if seen is None else _Known(session_items=tuple(seen))

    async def _customer(self, customer_id: UUID, place: Place, patience: Patience) -> _Known:
        own = await self.recall.own(customer_id, place.channel, place.now, patience)
        if own is None:
            return self._without(Missing.HISTORY_AWAY, customer_id)
        if not own.is_allowed:
            return self._without(Missing.CONSENT_WITHDRAWN, own.customer_id)
        known = _Known(own.customer_id, own.past, version=own.version, segments=own.segments)
        return known.but_for(Missing.HISTORY_MAYBE_OLD) if own.is_old else known

    @staticmethod
    def _without(missing: Missing, customer_id: UUID | None = None) -> _Known:
        return _Known(customer_id).but_for(missing)

    async def _exposed(self, known: _Known, wishes: Sequence[Wish], at: datetime, patience: Patience) -> _Known:
        """Find out what a known customer was shown lately, and their coupons, where a list asks for it."""
        customer_id = known.customer_id
        if known.past is None or customer_id is None:
            return known
        personal = [wish.placement for wish in wishes if wish.is_personalized]
        if self.exposures is not None and any(self.policies.settings(each).frequency_cap for each in personal):
            found = await self.exposures.of(customer_id, at, patience)
            known = known.but_for(Missing.EXPOSURES_AWAY) if found is None else replace(known, exposure=found)
        if self.wallets is not None and Placement.CAMPAIGN in personal:
            coupons = await self.wallets.of(customer_id, at, patience)
            known = known.but_for(Missing.COUPONS_AWAY) if coupons is None else replace(known, coupons=coupons)
        return known

    def _given(
        self, present: Present, wish: Wish, request: Request, known: _Known, switch: Switch = NO_SWITCH
    ) -> Given:
        """Return the list as it was given before, if it would be the same; else make it."""
        everybodys = self.policies.over(present.recommender.goods)
        policy = everybodys.switched(switch, wish.placement)
        asked = _asked(wish, request, known)
        capped = _capped(wish, asked, known, policy)
        version = known.version if wish.is_personalized else 0
        # What is explored is drawn at every request, and coupons end at any moment.
        is_new = policy.of(wish.placement).exploration is not None or wish.placement is Placement.CAMPAIGN
        key = None if version is None or is_new else key_of(asked, version, policy.in_force(asked), capped)
        found = None if key is None else present.given.under(everybodys).find(key)
        if found is None:
            with metrics.RANK_SECONDS.time():
                found = Given(
                    present.recommender.recommend(asked, known.past, policy, capped, known.coupons), wish.limit
                )
            if key is not None:
                present.given.keep(key, found)
        metrics.ANSWERS.labels(wish.placement.value, str(found.answer.fallback_level)).inc()
        return found

    @staticmethod
    def _made(present: Present, wish: Wish, request: Request, known: _Known, policy: Policy) -> Answer:
        asked = _asked(wish, request, known)
        capped = _capped(wish, asked, known, policy)
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
            **_noted(each),
            shelf_age_s=_age_seconds(each.present.as_of, self.clock.now()),
        )
        self.shown.add(Shown(row, each.answer.items))
        if self.exposures is not None and each.customer_id is not None:
            self.exposures.note(each.customer_id, at, row.product_ids)
        for effect in each.answer.effects:
            metrics.RULE_EFFECTS.labels(effect.kind, effect.outcome.value).inc()


def _under(request: Request, wish: Wish) -> Request:
    """Return the request as a variant wishes for it."""
    return replace(request, filters=wish.filters, personalized=wish.is_personalized)


def _asked(wish: Wish, request: Request, known: _Known) -> Request:
    """Return the request with what was found out of whoever asks."""
    customer_id = str(known.customer_id) if known.past is not None and request.personalized else None
    context = request.context
    if not context.items and known.session_items:
        context = replace(context, items=known.session_items)
    return replace(
        request, context=context, customer_id=customer_id, diversity=wish.diversity, segments=known.segments
    )


def _capped(wish: Wish, request: Request, known: _Known, policy: Policy) -> frozenset[str]:
    cap = policy.of(wish.placement).frequency_cap if wish.is_personalized else None
    return frozenset[str]() if cap is None else cap.capped(known.exposure, request.context.now)


def _unit_of(known: _Known, person: Person) -> str | None:
    """Return who is drawn into variants; nobody whose history is away, withdrawn or not asked for without a session.

    With their history away a list is no fair sample of its variant, and an id may not be the present one.
    """
    if known.past is not None and known.customer_id is not None:
        return f"c:{known.customer_id}"
    if known.missing or person.session_id is None:
        return None
    return f"s:{person.session_id}"


def _noted(each: Answered) -> dict[str, Any]:
    """Return what is written down of a list's experiment."""
    found: dict[str, Any] = {"took_ms": each.took_ms}
    if each.trial is not None:
        found |= {"experiment_id": each.trial.experiment_id, "variant": each.trial.variant, "unit": each.trial.unit}
    if each.teams is not None:
        found["teams"] = [each.teams.get(item.product_id, NOBODYS) for item in each.answer.items]
    return found


def _age_seconds(as_of: datetime | None, now: datetime) -> float | None:
    return None if as_of is None else max(0.0, (now - as_of).total_seconds())
