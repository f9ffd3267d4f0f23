"""Owns answering a placement from memory: generators, ranking, hard limits, and the chain that fills every list.

A request costs no input or output: the caller reads the customer's rows, everything else is here. Lists are filled
level by level; the last level is the whole assortment, so a list is empty only when no product passes the filters.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from services.recommend.domain.offers import Coupon
from services.recommend.domain.requests import Answer, Request
from services.recommend.serving.past import NOBODY, Past
from services.recommend.serving.policy import NO_POLICY, Policy
from services.recommend.serving.rerank import rerank
from services.recommend.serving.standing import Standing
from services.recommend.serving.visit import Visit


class Recommender(Standing):
    """All placements."""

    def recommend(
        self,
        request: Request,
        past: Past | None = None,
        policy: Policy = NO_POLICY,
        capped: AbstractSet[str] = frozenset(),
        coupons: Sequence[Coupon] = (),
    ) -> Answer:
        """Answer one placement; `past` and `coupons` are the customer's, ignored where not to be personalised.

        `policy` lies over these goods (`policy.over`); `capped` products step back.
        """
        own = past if past is not None and request.personalized else NOBODY
        visit = Visit(self, request, own, policy, coupons if request.personalized else ())
        how = visit.reshaping(capped)
        pool = visit.pool(how.depth(request.limit + request.spare))
        return visit.answer(pool, rerank(pool, request, how, visit.shelved()))
