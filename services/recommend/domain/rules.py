"""Owns merchandisers' rules: what one may say, where and when it holds, and which products it is about."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.recommend.domain.products import Product
from services.recommend.domain.requests import MAX_LIMIT, Placement, Request

RULES_MAX = 200
"""Of one deployment, whatever their state: every list looks at each rule that is active."""
INJECTED_MAX = 20
FACTOR_MAX = 100.0
PRIORITY_MAX = 1000
NAMES_MAX = 500


class InvalidRuleError(ValueError):
    """A rule says something impossible: `field` says where, the message what to write instead."""

    def __init__(self, field_name: str, message: str) -> None:
        """Keep the field's name for the answer."""
        super().__init__(f"{field_name}: {message}")
        self.field = field_name


class RuleKind(StrEnum):
    """pin: at one place; boost, bury: nearer the front, the end; quota: how many of a list; inject: put in."""

    PIN = "pin"
    BOOST = "boost"
    BURY = "bury"
    QUOTA = "quota"
    INJECT = "inject"


class RuleState(StrEnum):
    """A draft is tried by a dry run only."""

    DRAFT = "draft"
    ACTIVE = "active"
    OFF = "off"


class Audience(StrEnum):
    """Known: their own purchases are used for this list. Everybody else is unknown."""

    EVERYBODY = "everybody"
    KNOWN = "known"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Selector:
    """Products: every part that is given must hold, and of a part one name suffices."""

    product_ids: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    product_types: frozenset[str] = frozenset()
    brands: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    price_min_minor: int | None = None
    price_max_minor: int | None = None

    @property
    def is_empty(self) -> bool:
        return self == Selector()

    @property
    def is_one_product(self) -> bool:
        return len(self.product_ids) == 1 and self == Selector(product_ids=self.product_ids)

    def holds(self, product: Product) -> bool:
        """Say whether a product is meant; one whose price is unknown is in no price range."""
        return (
            _names(self.product_ids, (product.product_id,))
            and _names(self.categories, product.groups)
            and _names(self.product_types, (product.product_type,))
            and _names(self.brands, (product.brand, product.brand_name))
            and _names(self.labels, product.labels)
            and _in_range(product.price_minor, self.price_min_minor, self.price_max_minor)
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """Which lists; an empty part means all of them."""

    placements: frozenset[Placement] = frozenset()
    store_ids: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    audience: Audience = Audience.EVERYBODY

    def covers(self, request: Request, *, is_known: bool) -> bool:
        """Say whether a list is meant; one of an unknown store or channel is in no rule for certain ones."""
        context = request.context
        return (
            _names(self.placements, (request.placement,))
            and _names(self.store_ids, (context.store_id,))
            and _names(self.channels, (context.channel,))
            and self.audience in {Audience.EVERYBODY, Audience.KNOWN if is_known else Audience.UNKNOWN}
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `place` counts from 1; `places` is how far to move, `factor` multiplies how near the front.

    Raises InvalidRuleError where its parts do not make sense together.
    """

    rule_id: UUID
    name: str
    kind: RuleKind
    selector: Selector
    scope: Scope = field(default_factory=Scope)
    state: RuleState = RuleState.DRAFT
    priority: int = 0
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    place: int | None = None
    factor: float | None = None
    places: int | None = None
    at_least: int | None = None
    at_most: int | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        """Refuse what could never have an effect, or has no clear one."""
        if self.selector.is_empty:
            raise InvalidRuleError("selector", "names no products; give product_ids, categories, brands or others")
        low, high = self.selector.price_min_minor, self.selector.price_max_minor
        if low is not None and high is not None and low > high:
            raise InvalidRuleError("selector.price_min_minor", "is above price_max_minor; exchange them")
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise InvalidRuleError("valid_until", "is not after valid_from; leave it out for a rule without end")
        for name in _PARTS:
            if getattr(self, name) is not None and name not in _ALLOWED[self.kind]:
                raise InvalidRuleError(name, f"does not belong to a {self.kind} rule; leave it out")
        _CHECKS[self.kind](self)

    @property
    def sort_key(self) -> tuple[int, int]:
        """Rules of higher priority come first, then in an order that never changes."""
        return -self.priority, self.rule_id.int

    def holds_at(self, now: datetime) -> bool:
        """Say whether `now` lies in the validity; its end is excluded."""
        return not (
            (self.valid_from is not None and now < self.valid_from)
            or (self.valid_until is not None and now >= self.valid_until)
        )


def in_force(rules: Iterable[Rule], request: Request, *, is_known: bool) -> list[Rule]:
    """Return the rules that hold for a list, the most important first."""
    now = request.context.now
    found = [rule for rule in rules if rule.holds_at(now) and rule.scope.covers(request, is_known=is_known)]
    return sorted(found, key=lambda rule: rule.sort_key)


def _names(wanted: frozenset[str] | frozenset[Placement], given: Iterable[str | None]) -> bool:
    return not wanted or any(name in wanted for name in given)


def _in_range(price_minor: int | None, low: int | None, high: int | None) -> bool:
    if low is None and high is None:
        return True
    return price_minor is not None and (low is None or price_minor >= low) and (high is None or price_minor <= high)


def _check_pin(rule: Rule) -> None:
    if not rule.selector.is_one_product:
        raise InvalidRuleError(
            "selector.product_ids", "must be one product id and nothing else; write a rule for each"
        )
    _check_whole(rule, "place", 1, MAX_LIMIT)


def _check_move(rule: Rule) -> None:
    if (rule.factor is None) == (rule.places is None):
        raise InvalidRuleError("factor", f"a {rule.kind} rule needs either factor or places")
    if rule.factor is not None and not 1 < rule.factor <= FACTOR_MAX:
        raise InvalidRuleError("factor", f"must be above 1 and at most {FACTOR_MAX:g}; bury moves the other way")
    if rule.places is not None:
        _check_whole(rule, "places", 1, MAX_LIMIT)


def _check_quota(rule: Rule) -> None:
    if rule.at_least is None and rule.at_most is None:
        raise InvalidRuleError("at_least", "a quota rule needs at_least, at_most or both")
    for name in ("at_least", "at_most"):
        if getattr(rule, name) is not None:
            _check_whole(rule, name, 0, MAX_LIMIT)
    if rule.at_least is not None and rule.at_most is not None and rule.at_least > rule.at_most:
        raise InvalidRuleError("at_least", "is above at_most; exchange them")


def _check_inject(rule: Rule) -> None:
    _check_whole(rule, "count", 1, INJECTED_MAX)
    if rule.place is not None:
        _check_whole(rule, "place", 1, MAX_LIMIT)


def _check_whole(rule: Rule, name: str, low: int, high: int) -> None:
    value = getattr(rule, name)
    if value is None or not low <= value <= high:
        raise InvalidRuleError(name, f"a {rule.kind} rule needs {name} from {low} to {high}")


_PARTS = ("place", "factor", "places", "at_least", "at_most", "count")
_ALLOWED = {
    RuleKind.PIN: {"place"},
    RuleKind.BOOST: {"factor", "places"},
    RuleKind.BURY: {"factor", "places"},
    RuleKind.QUOTA: {"at_least", "at_most"},
    RuleKind.INJECT: {"count", "place"},
}
_CHECKS = {
    RuleKind.PIN: _check_pin,
    RuleKind.BOOST: _check_move,
    RuleKind.BURY: _check_move,
    RuleKind.QUOTA: _check_quota,
    RuleKind.INJECT: _check_inject,
}
