"""Owns what people decided about lists, as a request reads it: rules over the assortment, settings, what is new."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from services.recommend.assortment import Assortment
from services.recommend.domain.arranging import Applied
from services.recommend.domain.experiments import NO_SWITCH, Switch
from services.recommend.domain.exploration import Exploration, Novelty
from services.recommend.domain.placements import DEFAULTS, PlacementSettings
from services.recommend.domain.requests import Placement, Request
from services.recommend.domain.rules import Rule, RuleState, in_force
from services.recommend.history import Bools
from services.recommend.serving.selecting import ProductNames

NEWEST_MAX = 500


@dataclass(frozen=True, slots=True)
class SlotFigures:
    """How often the slot for new products showed one, and how often it was clicked there."""

    impressions: int = 0
    clicks: int = 0


@dataclass(frozen=True)
class Policy:
    """Rules that are active, settings of placements, and figures of the slot; `over` lays them over an assortment.

    `masks` says which products each rule is about, `drafts` which may hold in an experiment. A policy is never
    changed: a newer one replaces it.
    """

    rules: Sequence[Rule] = ()
    settings: Mapping[Placement, PlacementSettings] = field(default_factory=lambda: DEFAULTS)
    slot: Mapping[str, SlotFigures] = field(default_factory=dict)
    assortment: Assortment | None = None
    masks: Mapping[UUID, Bools] = field(default_factory=dict)
    newest: Sequence[tuple[int, datetime]] = ()
    drafts: Sequence[Rule] = ()

    def over(self, assortment: Assortment) -> "Policy":
        """Return the policy with its masks over these products; what is not active stays aside."""
        if assortment is self.assortment:
            return self
        names = ProductNames(assortment)
        rules = [rule for rule in self.rules if rule.state is RuleState.ACTIVE]
        drafts = [rule for rule in self.rules if rule.state is RuleState.DRAFT]
        since = [
            (number, product.new_since)
            for number, product in enumerate(assortment.products)
            if product.new_since is not None
        ]
        newest = sorted(since, key=lambda each: each[1], reverse=True)[:NEWEST_MAX]
        masks = {rule.rule_id: names.mask(rule.selector) for rule in (*rules, *drafts)}
        return replace(
            self, rules=tuple(rules), assortment=assortment, masks=masks, newest=tuple(newest), drafts=tuple(drafts)
        )

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
        assert self.assortment is not None
        names = ProductNames(self.assortment)
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
        assert self.assortment is not None
        since = now - timedelta(days=how.new_days)
        products = self.assortment.products
        out = []
        for number, new_since in self.newest:
            if since <= new_since <= now and allowed[number]:
                seen = self.slot.get(products[number].product_id, SlotFigures())
                if seen.impressions < how.impressions_max:
                    out.append(Novelty(number, seen.impressions, seen.clicks))
        return out


NO_POLICY = Policy()
