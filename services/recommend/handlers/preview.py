"""A dry run: the list as it is without any rule, and as it would be with some; nobody is shown either."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.recommend.domain.requests import Answer
from services.recommend.domain.rules import Rule
from services.recommend.domain.wishes import Person, Place, Wish
from services.recommend.handlers.answers import Desk


@dataclass(frozen=True, slots=True)
class Preview:
    """Both lists; the effects are the second one's."""

    before: Answer
    after: Answer


async def preview(desk: Desk, person: Person, place: Place, wish: Wish, trying: Sequence[Rule]) -> Preview:
    """Answer a question without rules, and with the active ones and those to be tried."""
    present = desk.live.now
    policy = desk.policies.over(present.recommender.goods)
    tried = {rule.rule_id for rule in trying}
    active = [rule for rule in policy.rules if rule.rule_id not in tried]
    return Preview(
        before=await desk.preview(person, place, wish, policy.trying(())),
        after=await desk.preview(person, place, wish, policy.trying([*active, *trying])),
    )
