"""Owns the policy in memory: read again when it changed, laid over the goods that lists are made of."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import structlog

from services.recommend import metrics
from services.recommend.domain.placements import PlacementSettings, settings_of
from services.recommend.domain.requests import Placement
from services.recommend.domain.rule_texts import rule_of
from services.recommend.domain.rules import Rule
from services.recommend.serving.goods import Goods
from services.recommend.serving.policy import NO_POLICY, Policy, SlotFigures
from services.recommend.store import exposures, rules
from services.recommend.store.rules import RuleRow
from shared.db import Database, Transaction
from shared.errors import TransientError

log = structlog.get_logger()

READ_SECONDS = 10.0
LAID_MAX = 4
"""Goods at once: those in use, those of versions on trial, and those that a request still works on."""


class Policies:
    """Follows the tables of rules and settings; what cannot be read leaves the last state in place."""

    def __init__(self, database: Database | None = None) -> None:
        """Serve without any rule until `check` has read them; without a database there are none."""
        self._database = database
        self._last_change: int | None = None
        self._bare = NO_POLICY
        self._laid: dict[int, Policy] = {}
        self._reading = asyncio.Lock()

    def settings(self, placement: Placement) -> PlacementSettings:
        return self._bare.of(placement)

    def over(self, goods: Goods) -> Policy:
        """Return the policy over these goods, worked out once for each."""
        laid = self._laid.get(id(goods))
        if laid is None or laid.goods is not goods:
            laid = self._bare.over(goods)
            self._keep(laid)
        return laid

    async def check(self, in_use: Sequence[Goods]) -> None:
        """Read rules and settings if any changed; lay them over the goods in use, off the loop, before they count."""
        if self._database is None:
            return
        self._let_go(in_use)
        async with self._reading:
            try:
                async with asyncio.timeout(READ_SECONDS), self._database.session() as session:
                    last = await rules.last_change(session)
                    changed = None if last == self._last_change else await self._read(session)
            except (TransientError, TimeoutError) as away:
                log.warning("policy.away", reason=str(away))
                return
            if changed is not None:
                laid = [await asyncio.to_thread(changed.over, goods) for goods in in_use]
                self._put(changed, laid)
                self._last_change = last

    async def count_slots(self, *, also: bool = False) -> None:
        """Read what the slot for new products came to, where some placement has one, or an experiment (`also`)."""
        is_used = also or any(each.exploration for each in self._bare.settings.values())
        if self._database is None or not is_used:
            return
        try:
            async with asyncio.timeout(READ_SECONDS), self._database.session() as session:
                found = await exposures.slot_figures(session)
        except (TransientError, TimeoutError) as away:
            log.warning("policy.away", reason=str(away))
            return
        slot = {name: SlotFigures(*figures) for name, figures in found.items()}
        if slot != self._bare.slot:
            self._put(replace(self._bare, slot=slot), list(self._laid.values()))

    async def _read(self, session: Transaction) -> Policy:
        rows, settings = await rules.all_rules(session), await rules.placement_settings(session)
        known = {placement.value: placement for placement in Placement}
        chosen = {known[name]: settings_of(values) for name, values in settings.items() if name in known}
        return Policy([found for row in rows if (found := _readable(row)) is not None], chosen)

    def _put(self, bare: Policy, laid: Sequence[Policy]) -> None:
        """Replace the policy, in force and as it lies; what the slot came to is known to all alike."""
        slot = bare.slot or self._bare.slot
        self._bare = replace(bare, slot=slot)
        self._laid = {}
        for each in laid:
            self._keep(replace(each, slot=slot))

    def _keep(self, laid: Policy) -> None:
        self._laid[id(laid.goods)] = laid
        while len(self._laid) > LAID_MAX:
            del self._laid[next(iter(self._laid))]

    def _let_go(self, in_use: Sequence[Goods]) -> None:
        """Forget goods that no list is made of any more: each holds a whole assortment."""
        self._laid = {id(goods): self._laid[id(goods)] for goods in in_use if id(goods) in self._laid}


def _readable(row: RuleRow) -> Rule | None:
    """Return a kept rule; one that this code cannot read any more is left out and told."""
    try:
        return rule_of(row.rule_id, row.state, row.definition)
    except (ValueError, KeyError, TypeError):
        metrics.RULES_UNREADABLE.inc()
        log.exception("rule.unreadable", rule_id=str(row.rule_id))
        return None
