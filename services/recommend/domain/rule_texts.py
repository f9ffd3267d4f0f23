"""Owns a rule and a placement's settings as plain values: what is kept, shown in histories and read back."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from services.recommend.domain.requests import Placement
from services.recommend.domain.rules import Audience, Rule, RuleKind, RuleState, Scope, Selector

_NUMBERS = ("place", "factor", "places", "at_least", "at_most", "count")
_SETS = ("product_ids", "categories", "product_types", "brands", "labels")


def definition_of(rule: Rule) -> dict[str, Any]:
    """Return everything of a rule but its id and state; what it does not say is left out."""
    out: dict[str, Any] = {
        "name": rule.name,
        "kind": rule.kind.value,
        "priority": rule.priority,
        "selector": _plain(rule.selector),
        "scope": _plain(rule.scope),
        "valid_from": None if rule.valid_from is None else rule.valid_from.isoformat(),
        "valid_until": None if rule.valid_until is None else rule.valid_until.isoformat(),
    }
    out |= {name: getattr(rule, name) for name in _NUMBERS}
    return {name: value for name, value in out.items() if value is not None}


def rule_of(rule_id: UUID, state: str, definition: Mapping[str, Any]) -> Rule:
    """Read a definition back. Raises InvalidRuleError, KeyError, TypeError or ValueError where it is none."""
    scope = definition.get("scope", {})
    return Rule(
        rule_id=rule_id,
        name=definition["name"],
        kind=RuleKind(definition["kind"]),
        selector=_selector(definition["selector"]),
        scope=Scope(
            placements=frozenset(Placement(name) for name in scope.get("placements", ())),
            store_ids=frozenset(scope.get("store_ids", ())),
            channels=frozenset(scope.get("channels", ())),
            audience=Audience(scope.get("audience", Audience.EVERYBODY)),
        ),
        state=RuleState(state),
        priority=definition.get("priority", 0),
        valid_from=_moment(definition.get("valid_from")),
        valid_until=_moment(definition.get("valid_until")),
        **{name: definition.get(name) for name in _NUMBERS},
    )


def _selector(values: Mapping[str, Any]) -> Selector:
    known: dict[str, Any] = {name: frozenset(values.get(name, ())) for name in _SETS}
    return Selector(
        **known, price_min_minor=values.get("price_min_minor"), price_max_minor=values.get("price_max_minor")
    )


def _plain(value: Selector | Scope) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for each in fields(value):
        found = getattr(value, each.name)
        if isinstance(found, frozenset):
            found = sorted(str(name) for name in found) or None
        elif isinstance(found, Audience):
            found = None if found is Audience.EVERYBODY else found.value
        if found is not None:
            out[each.name] = found
    return out


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
