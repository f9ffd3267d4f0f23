"""What a variant changes of the shop's own decisions: which rules hold, whether there is a slot for new products."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of
from services.recommend.domain.experiments import (
    NO_SWITCH,
    Experiment,
    Method,
    Switch,
    Treatment,
    Variant,
    definition_faults,
)
from services.recommend.domain.exploration import Exploration
from services.recommend.domain.placements import DEFAULTS
from services.recommend.domain.requests import Placement
from services.recommend.domain.rules import Rule, RuleKind, RuleState, Selector
from services.recommend.serving.goods import Goods
from services.recommend.serving.policy import Policy
from services.recommend.serving.trials import Trials
from services.recommend.store.experiments import _variant_document, _variant_of
from tests.unit.recommend.factories import catalogue

ACTIVE, OTHER, DRAFT, OFF = (UUID(int=number) for number in range(1, 5))
STATES = {ACTIVE: RuleState.ACTIVE, OTHER: RuleState.ACTIVE, DRAFT: RuleState.DRAFT, OFF: RuleState.OFF}
IDS = st.lists(st.sampled_from(list(STATES)), unique=True, max_size=4).map(tuple)


def rule(rule_id: UUID, state: RuleState) -> Rule:
    selector = Selector(brands=frozenset({"brand 1"}))
    return Rule(rule_id, "a rule", RuleKind.BOOST, selector, state=state, factor=2.0)


def policy() -> Policy:
    known = catalogue(6)
    rules = tuple(rule(rule_id, state) for rule_id, state in STATES.items())
    return Policy(rules).over(Goods(assortment_of(sorted(known), known)))


def holding(switch: Switch) -> set[UUID]:
    return {each.rule_id for each in policy().switched(switch, Placement.FOR_YOU).rules}


def experiment(*switches: Switch, method: Method = Method.AB) -> Experiment:
    variants = tuple(Variant(f"v{n}", treatment=Treatment(switch=switch)) for n, switch in enumerate(switches))
    return Experiment("e1", "", method, "default", frozenset({Placement.FOR_YOU}), 1.0, variants, 7)


def test_without_a_switch_the_policy_is_the_same_object() -> None:
    laid = policy()
    assert laid.switched(NO_SWITCH, Placement.FOR_YOU) is laid
    assert holding(NO_SWITCH) == {ACTIVE, OTHER}


def test_no_rule_holds_where_rules_are_switched_off() -> None:
    assert holding(Switch(rules=False)) == set()


@given(on=IDS, off=IDS)
def test_drafts_are_switched_on_active_rules_off_and_what_is_off_stays_off(
    on: tuple[UUID, ...], off: tuple[UUID, ...]
) -> None:
    found = policy().switched(Switch(rules_on=on, rules_off=off), Placement.FOR_YOU)
    assert {each.rule_id for each in found.rules} == ({ACTIVE, OTHER} - set(off)) | ({DRAFT} & set(on))
    assert all(each.rule_id in found.masks for each in found.rules)


def test_exploration_is_switched_for_the_placement_alone() -> None:
    on = policy().switched(Switch(exploration=True), Placement.FOR_YOU)
    assert on.of(Placement.FOR_YOU).exploration == Exploration()
    assert on.of(Placement.DISCOVER).exploration is None
    own = Exploration(share=0.5, place=3)
    exploring = replace(
        policy(), settings={**DEFAULTS, Placement.FOR_YOU: replace(DEFAULTS[Placement.FOR_YOU], exploration=own)}
    )
    assert exploring.switched(Switch(exploration=True), Placement.FOR_YOU).of(Placement.FOR_YOU).exploration == own
    assert exploring.switched(Switch(exploration=False), Placement.FOR_YOU).of(Placement.FOR_YOU).exploration is None


@pytest.mark.parametrize(
    "switch",
    [
        Switch(rules_on=(DRAFT,), rules_off=(DRAFT,)),
        Switch(rules=False, rules_off=(ACTIVE,)),
        Switch(rules=False, rules_on=(DRAFT,)),
    ],
)
def test_a_variant_that_contradicts_itself_is_refused(switch: Switch) -> None:
    assert "switches a rule on and off" in definition_faults(experiment(NO_SWITCH, switch))["variants"]


def test_an_interleaving_explores_nothing() -> None:
    explored = experiment(NO_SWITCH, Switch(exploration=True), method=Method.INTERLEAVING)
    assert "explores nothing" in definition_faults(explored)["variants"]
    assert definition_faults(experiment(NO_SWITCH, Switch(rules=False), method=Method.INTERLEAVING)) == {}


def test_slots_are_counted_while_an_experiment_explores() -> None:
    assert Trials.of([experiment(NO_SWITCH, Switch(exploration=True))]).explore
    assert not Trials.of([experiment(NO_SWITCH, Switch(exploration=False))]).explore


@given(on=IDS, off=IDS, rules=st.sampled_from([None, False]), exploration=st.sampled_from([None, True, False]))
def test_a_switch_is_kept_and_read_back(on: Any, off: Any, rules: Any, exploration: Any) -> None:
    variant = Variant("v", treatment=Treatment(switch=Switch(rules, on, off, exploration)))
    assert _variant_of(_variant_document(variant)) == variant


def test_an_experiment_of_before_there_were_switches_is_read() -> None:
    document = {"name": "v", "weight": 1, "treatment": {"diversity": "medium", "model_version": None}}
    assert _variant_of(document).treatment.switch == NO_SWITCH
