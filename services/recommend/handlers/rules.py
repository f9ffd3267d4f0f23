"""Changing rules and placements' settings: each change is checked, limited in number, and written down for good."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from services.recommend.domain.placements import PlacementSettings, plain_settings, settings_of
from services.recommend.domain.requests import Placement
from services.recommend.domain.rule_texts import definition_of, rule_of
from services.recommend.domain.rules import RULES_MAX, InvalidRuleError, Rule
from services.recommend.errors import InvalidRule, RuleNotFound, StoreNotServed, TooManyRules
from services.recommend.store import rules as store
from services.recommend.store.rules import Change, RuleRow
from shared.db import Database, Transaction
from shared.keys import Caller


@dataclass(frozen=True, slots=True)
class Kept:
    """A rule with what the register says of it."""

    rule: Rule
    revision: int
    created_at: datetime
    changed_at: datetime


def checked(rule_id: UUID, state: str, definition: Mapping[str, Any]) -> Rule:
    """Return the rule that these values mean. Raises InvalidRule naming field and cure."""
    try:
        return rule_of(rule_id, state, definition)
    except InvalidRuleError as invalid:
        raise InvalidRule(str(invalid), field="/" + invalid.field.replace(".", "/")) from invalid


async def everything(database: Database) -> Sequence[Kept]:
    async with database.session() as session:
        return [_kept(row) for row in await store.all_rules(session)]


async def one(database: Database, rule_id: UUID) -> Kept:
    """Return one rule. Raises RuleNotFound."""
    async with database.session() as session:
        return _kept(await _found(session, rule_id))


async def create(
    database: Database, caller: Caller, state: str, definition: Mapping[str, Any], now: datetime
) -> Kept:
    """Write down a new rule. Raises InvalidRule, StoreNotServed, TooManyRules."""
    rule = checked(uuid4(), state, definition)
    _may_write(caller, rule)
    async with database.transaction() as tx:
        await store.one_writer(tx)
        if len(await store.all_rules(tx)) >= RULES_MAX:
            raise TooManyRules(f"there are {RULES_MAX} rules already; delete one that is off")
        row = RuleRow(rule.rule_id, 1, rule.state.value, definition_of(rule), now, now)
        await store.save_rule(tx, row)
        await _note(tx, caller, row.rule_id, "created", now, None, row)
    return _kept(row)


async def change(
    database: Database, caller: Caller, rule_id: UUID, changes: Mapping[str, Any], now: datetime
) -> Kept:
    """Change the fields that are given; null takes one away. Raises RuleNotFound, InvalidRule, StoreNotServed."""
    async with database.transaction() as tx:
        await store.one_writer(tx)
        before = await _found(tx, rule_id)
        _may_write(caller, _kept(before).rule)
        values = dict(changes)
        state = values.pop("state", before.state)
        merged = {name: value for name, value in {**before.definition, **values}.items() if value is not None}
        rule = checked(rule_id, state, merged)
        _may_write(caller, rule)
        after = RuleRow(rule_id, before.revision + 1, rule.state.value, definition_of(rule), before.created_at, now)
        await store.save_rule(tx, after)
        await _note(tx, caller, rule_id, "changed", now, before, after)
    return _kept(after)


async def delete(database: Database, caller: Caller, rule_id: UUID, now: datetime) -> None:
    """Take a rule away; its history stays. Raises RuleNotFound, StoreNotServed."""
    async with database.transaction() as tx:
        await store.one_writer(tx)
        before = await _found(tx, rule_id)
        _may_write(caller, _kept(before).rule)
        await store.delete_rule(tx, rule_id)
        await _note(tx, caller, rule_id, "deleted", now, before, None)


async def history(database: Database, thing: str, thing_id: str) -> Sequence[Change]:
    """Return the latest changes of a rule, also of one that was deleted. Raises RuleNotFound."""
    async with database.session() as session:
        found = await store.changes_of(session, thing, thing_id)
    if not found and thing == "rule":
        raise RuleNotFound("there never was a rule of this id")
    return found


async def placements(database: Database) -> Mapping[Placement, PlacementSettings]:
    """Return the settings of every placement."""
    async with database.session() as session:
        known = await store.placement_settings(session)
    return {placement: settings_of(known.get(placement.value, {})) for placement in Placement}


async def set_placement(
    database: Database, caller: Caller, placement: Placement, changes: Mapping[str, Any], now: datetime
) -> PlacementSettings:
    """Change a placement's settings. Raises StoreNotServed for a key of single stores: settings are the chain's."""
    if not caller.may_see(None):
        raise StoreNotServed("settings of a placement hold in every store; this key is for some")
    async with database.transaction() as tx:
        await store.one_writer(tx)
        known = (await store.placement_settings(tx)).get(placement.value, {})
        before = plain_settings(settings_of(known))
        settings = settings_of({**before, **changes})
        after = plain_settings(settings)
        await store.save_placement(tx, placement.value, after, now)
        noted = Change("placement", placement.value, "changed", caller.actor, caller.key_id, now, before, after)
        await store.note_change(tx, noted)
    return settings


def _may_write(caller: Caller, rule: Rule) -> None:
    if not caller.may_see(rule.scope.store_ids or None):
        raise StoreNotServed("this key is for other stores; name its own", field="/scope/store_ids")


async def _found(session: Transaction, rule_id: UUID) -> RuleRow:
    found = await store.rule(session, rule_id)
    if found is None:
        raise RuleNotFound("no rule has this id; GET /v1/rules lists them")
    return found


async def _note(  # noqa: PLR0913, PLR0917 - who, what, when, from what to what
    tx: Transaction,
    caller: Caller,
    rule_id: UUID,
    action: str,
    now: datetime,
    before: RuleRow | None,
    after: RuleRow | None,
) -> None:
    change = Change(
        "rule", str(rule_id), action, caller.actor, caller.key_id, now, _as_noted(before), _as_noted(after)
    )
    await store.note_change(tx, change)


def _as_noted(row: RuleRow | None) -> dict[str, Any] | None:
    return None if row is None else {"state": row.state, **row.definition}


def _kept(row: RuleRow) -> Kept:
    return Kept(rule_of(row.rule_id, row.state, row.definition), row.revision, row.created_at, row.changed_at)
