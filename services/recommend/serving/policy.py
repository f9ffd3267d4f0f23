"""Owns what people decided about lists, as a request reads it: rules over the assortment, settings, what is new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.recommend.domain.arranging import Applied
from services.recommend.domain.experiments import NO_SWITCH, Switch
from services.recommend.domain.exploration import Exploration, Novelty
from services.recommend.domain.placements import DEFAULTS, PlacementSettings
from services.recommend.domain.requests import Placement, Request
from services.recommend.domain.rules import Rule, RuleState, in_force
from services.recommend.history import Bools
from services.recommend.serving.goods import Goods


@dataclass(frozen=True, slots=True)
class SlotFigures:
    """How often the slot for new products showed one, and how often it was clicked there."""

    impressions: int = 0
    clicks: int = 0


@dataclass(frozen=True)
class Policy:
    """Rules that are active, settings of placements, and figures of the slot; `over` lays them over an assortment.

    `masks` says which of the goods each rule is about, `drafts` which may hold in an experiment. A policy is never
    changed: a newer one replaces it.
    """

    rules: Sequence[Rule] = ()
    settings: Mapping[Placement, PlacementSettings] = field(default_factory=lambda: DEFAULTS)
    slot: Mapping[str, SlotFigures] = field(default_factory=dict)
    goods: Goods | None = None
    masks: Mapping[UUID, Bools] = field(default_factory=dict)
    drafts: Sequence[Rule] = ()

    def over(self, goods: Goods) -> "Policy":
        """Return the policy with its masks over these goods; what is not active stays aside."""
        if goods is self.goods:
            return self
        active = [rule for rule in self.rules if rule.state is RuleState.ACTIVE]
        drafts = [rule for rule in self.rules if rule.state is RuleState.DRAFT]
        laid = replace(self, goods=goods, drafts=tuple(drafts)).trying([*active, *drafts])
        return replace(laid, rules=tuple(active))

    def switched(self, switch: Switch, placement: Placement) -> "Policy":
        """Return the policy as a variant of an experiment has it for one placement."""
        if switch == NO_SWITCH:
            return self
        found = self
        if switch.exploration is not None:
            settings = self.of(placement)
            explore = (settings.exploration or Exploration()) if switch.exploration else None
            found = replace(found, settings={**self.settings, placement: replace(settings, exploration=explore)})
        if switch.rules is False:
            return replace(found, rules=())
        on = [rule for rule in self.drafts if rule.rule_id in switch.rules_on]
        return replace(found, rules=(*(each for each in self.rules if each.rule_id not in switch.rules_off), *on))

    def trying(self, rules: Sequence[Rule]) -> "Policy":
        """Return the policy with exactly these rules, whatever their state: for a dry run."""
        assert self.goods is not None
        names = self.goods.names
        return replace(self, rules=tuple(rules), masks={rule.rule_id: names.mask(rule.selector) for rule in rules})

    def applied(self, request: Request, *, is_known: bool) -> list[Applied]:
        """Return the rules that hold for a list, the most important first."""
        if not self.rules:
            return []
        found = in_force(self.rules, request, is_known=is_known)
        return [Applied(rule, self.masks[rule.rule_id]) for rule in found]

    def in_force(self, request: Request) -> tuple[UUID, ...]:
        """Return which rules may hold for a list at its moment: lists under the same ones are the same."""
        if not self.rules:
            return ()
        return tuple(
            rule.rule_id for is_known in (False, True) for rule in in_force(self.rules, request, is_known=is_known)
        )

    def of(self, placement: Placement) -> PlacementSettings:
        return self.settings.get(placement, DEFAULTS[placement])

    def new_products(self, now: datetime, how: Exploration, allowed: Bools) -> list[Novelty]:
        """Return what is new at a moment, may be shown, and was not in the slot too often yet."""
        assert self.goods is not None
        since = now - timedelta(days=how.new_days)
        products = self.goods.assortment.products
        out = []
        for number, new_since in self.goods.newest:
            if since <= new_since <= now and allowed[number]:
                seen = self.slot.get(products[number].product_id, SlotFigures())
                if seen.impressions < how.impressions_max:
                    out.append(Novelty(number, seen.impressions, seen.clicks))
        return out


NO_POLICY = Policy()
