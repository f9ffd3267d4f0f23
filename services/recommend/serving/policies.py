"""Owns the policy in memory: read again when it changed, laid over the assortment that lists are made of."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import structlog

from services.recommend import metrics
from services.recommend.assortment import Assortment
from services.recommend.domain.placements import PlacementSettings, settings_of
from services.recommend.domain.requests import Placement
from services.recommend.domain.rule_texts import rule_of
from services.recommend.domain.rules import Rule
from services.recommend.serving.policy import NO_POLICY, Policy, SlotFigures
from services.recommend.store import exposures, rules
from services.recommend.store.rules import RuleRow
from shared.db import Database
from shared.errors import TransientError

log = structlog.get_logger()

READ_SECONDS = 10.0
LAID_MAX = 4
"""Assortments at once: that in use, the one before it, and those of versions on trial."""


class Policies:
    """Follows the tables of rules and settings; what cannot be read leaves the last state in place."""

    def __init__(self, database: Database | None = None) -> None:
        """Serve without any rule until `check` has read them; without a database there are none."""
        self._database = database
        self._last_change: int | None = None
        self._bare = NO_POLICY
        self._laid: OrderedDict[int, Policy] = OrderedDict()
        self._reading = asyncio.Lock()

    def settings(self, placement: Placement) -> PlacementSettings:
        return self._bare.of(placement)

    def over(self, assortment: Assortment) -> Policy:
        """Return the policy over these products, worked out once for each assortment."""
        laid = self._laid.get(id(assortment))
        if laid is None or laid.assortment is not assortment:
            laid = self._bare.over(assortment)
            self._laid[id(assortment)] = laid
            while len(self._laid) > LAID_MAX:
                self._laid.popitem(last=False)
        return laid

    async def check(self, assortment: Assortment) -> None:
        """Read rules and settings if any changed, and lay them over the assortment in use, off the loop."""
        if self._database is None:
            return
        async with self._reading:
            try:
                async with asyncio.timeout(READ_SECONDS), self._database.session() as session:
                    last = await rules.last_change(session)
                    if last != self._last_change:
                        found = await rules.all_rules(session)
                        self._replace(found, await rules.placement_settings(session), self._bare.slot)
                        self._last_change = last
            except (TransientError, TimeoutError) as away:
                log.warning("policy.away", reason=str(away))
                return
            laid = self._laid.get(id(assortment))
            if laid is None or laid.assortment is not assortment:
                self._laid[id(assortment)] = await asyncio.to_thread(self._bare.over, assortment)

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
        self._put(Policy(self._bare.rules, self._bare.settings, slot))

    def _replace(
        self, rows: list[RuleRow], settings: Mapping[str, Mapping[str, Any]], slot: Mapping[str, SlotFigures]
    ) -> None:
        known = {placement.value: placement for placement in Placement}
        chosen: dict[Placement, PlacementSettings] = {
            known[name]: settings_of(values) for name, values in settings.items() if name in known
        }
        readable = [found for row in rows if (found := _readable(row)) is not None]
        self._put(Policy(readable, chosen, slot))

    def _put(self, policy: Policy) -> None:
        self._bare = policy
        self._laid = OrderedDict()


def _readable(row: RuleRow) -> Rule | None:
    """Return a kept rule; one that this code cannot read any more is left out and told."""
    try:
        return rule_of(row.rule_id, row.state, row.definition)
    except (ValueError, KeyError, TypeError):
        metrics.RULES_UNREADABLE.inc()
        log.exception("rule.unreadable", rule_id=str(row.rule_id))
        return None
