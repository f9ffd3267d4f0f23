"""The screen says of the campaign and of the recount what is so, in words."""

from datetime import date
from typing import Any

import pytest
from rich.console import Console, RenderableType

from regulars.demo import screen
from regulars.demo.story import CampaignFacts, Story
from regulars.verification.report import Basis, Finding, Verification
from services.campaign.domain.coupons import Reason

SEGMENTS = [
    {"id": "a", "name": "Needs attention", "description": "Used to buy often, silent longer than most"},
    {"id": "b", "name": "Hibernating", "description": "Bought rarely and long ago"},
]
RESULT: dict[str, Any] = {"messages": {"sent": 5}, "redemptions": 2, "discount_minor": 430, "currency": "USD"}


def told(renderable: RenderableType) -> str:
    """Return what a wide screen shows, spaces folded."""
    console = Console(width=200)
    with console.capture() as captured:
        console.print(renderable)
    return " ".join(captured.get().split())


def facts(**changed: Any) -> CampaignFacts:
    arms = {"treated": 5, "hold_out": 2}
    given: dict[str, Any] = {"name": "Come back", "segments": SEGMENTS, "checked": {"audience": 7}, "arms": arms}
    return CampaignFacts(**given | {"min_basket_minor": 1000, "result": RESULT, "example_code": "AB12"} | changed)


def test_the_audience_is_told_in_words() -> None:
    shown = told(screen._win_back(facts()))
    assert shown.startswith(
        "“Come back”, for those who are in the segment “Needs attention” (used to buy often, silent longer than most)"
        " or “Hibernating” (bought rarely and long ago) and also under a churn warning of any level. audience 7"
    )


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_of_campaign_has_words_of_its_own(reason: Reason) -> None:
    shown = told(screen._win_back(facts(refused={reason.value: 3})))
    assert f"refused: {screen.REFUSALS[reason.value]} ({reason.value}) 3" in shown


def test_a_refusal_is_not_called_a_second_time_unless_it_is() -> None:
    assert "a second time on purpose 1 refused: the offer was over (expired) 1" in told(
        screen._win_back(facts(tried_again=1, refused={"expired": 1}))
    )
    assert len(set(screen.REFUSALS.values())) == len(screen.REFUSALS)


def test_an_unknown_refusal_shows_its_code() -> None:
    assert "refused: for a reason of its own (ingest_away) 1" in told(
        screen._win_back(facts(refused={"ingest_away": 1}))
    )


def test_only_real_baskets_are_called_real() -> None:
    shown = told(screen._win_back(facts(came_again=4)))
    assert "treated who came again, with a real basket of 10.00 USD or more 4 redeemed by some of them" in shown


def test_without_a_code_none_is_shown() -> None:
    assert "a code none" in told(screen._win_back(facts(example_code="")))


def test_the_recount_says_what_each_part_rests_on() -> None:
    verification = Verification(
        (
            Finding(Basis.ARCHIVE, "all totals add up", "profile", 12),
            Finding(Basis.TABLES, "no gap", "ingest", 34),
            Finding(Basis.OWN_PROOF, "every posting sums to zero", "campaign", None),
        )
    )
    shown = told(screen._standing(_story(verification)))
    assert (
        "Recounted from ingest's archive, by arithmetic that shares nothing with the services: ✓ all totals add up"
        " 12 counted Read from the tables of the logs and of the workers: ✓ no gap 34 counted Campaign's own proof of"
        " its books, from campaign's own tables: ✓ every posting sums to zero holds"
    ) in shown


def test_a_difference_is_shown_where_it_is() -> None:
    broken = Finding(Basis.ARCHIVE, "all add up", "churn", 12, ["anna USD: archive 1, churn 2"])
    verification = Verification((Finding(Basis.ARCHIVE, "all add up", "profile", 12), broken))
    shown = told(screen._standing(_story(verification)))
    assert "✗ all add up 24 counted churn: 1 differences: anna USD: archive 1, churn 2" in shown


def _story(verification: Verification) -> Story:
    day = date(2026, 3, 1)
    return Story(1, day, day, day, verification=verification)
