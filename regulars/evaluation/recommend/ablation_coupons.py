"""Owns what a person's own coupons bring to `campaign`: whether what they then bought with one is on the list.

Two things the data do not say: what a coupon that nobody used yet takes off, so all take off as much; and of the
campaigns that chose each household's coupons, which they chose, so these are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from regulars.datasets.completejourney import CURRENCY
from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import Values, figures
from regulars.evaluation.recommend.ablation_next import fitted, known_at, listed
from regulars.evaluation.recommend.ablation_report import AS_SERVED, Section, columns, section
from regulars.evaluation.recommend.coupons import CouponHistory, local_date
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.paid_prices import moment
from services.recommend.assortment import assortment_of
from services.recommend.domain.offers import Coupon
from services.recommend.history import History, Ints
from services.recommend.knowledge import Knowledge
from services.recommend.ranking.candidates import NEW_CANDIDATES
from services.recommend.ranking.rankers import Rankers
from services.recommend.ranking.shoppers import shopper_of
from services.recommend.serving.offering import Offering
from services.recommend.serving.selecting import ProductNames
from services.recommend.training.origins import HORIZON_DAYS, training_cuts

WINDOWS = 4
HISTORY_DAYS = 84.0
"""Before a window: eight weeks to look at, four to learn from."""
LEAST_USES = 30
WITHOUT, IMPERSONAL = "without coupons", "coupons, by what everybody buys"
_SHOWN = ("hit@10", "mrr@20")
_PRICE_MINOR = 100
_TAKES_OFF_MINOR = 50


@dataclass(frozen=True, slots=True)
class Use:
    """A basket in which coupons were used: whose, which, the coupons held then, and what was bought with them."""

    customer: int
    basket: int
    coupons: tuple[Coupon, ...]
    wanted: Ints


def coupons(data: Evaluated, cut: float, customers: Ints, progress: Progress) -> list[Section]:
    """Return the section of WINDOWS times four weeks up to those after `cut`; none where too few coupons are known.

    The ranker has learned from what lay before all of them; what is known is brought up to date for each.
    """
    since = float(data.dataset.at.min()) + HISTORY_DAYS
    cuts = [each for each in (cut - HORIZON_DAYS * window for window in reversed(range(WINDOWS))) if each >= since]
    uses = {} if data.coupons is None else {each: list(_uses(data, data.coupons, each)) for each in cuts}
    if sum(map(len, uses.values())) < LEAST_USES:
        return []
    progress("campaign: what was known")
    rankers = fitted(data, [known_at(data, training_cuts(data.dataset, cuts[0])[0], customers)])
    made = [each for since, part in uses.items() if part for each in _judged(data, since, part, rankers, progress)]
    owners = np.array([use.customer for part in uses.values() for use in part], np.int64)
    rows = {name: columns(np.array([each[name] for each in made]), _SHOWN) for name in made[0]}
    return [section("campaign: bought with a coupon", rows, owners)]


def _uses(data: Evaluated, known: CouponHistory, since: float) -> Iterator[Use]:
    return uses_within(data, known, since, since + HORIZON_DAYS)


def _judged(
    data: Evaluated, since: float, uses: Sequence[Use], rankers: Rankers, progress: Progress
) -> Iterator[Mapping[str, Values]]:
    """Yield the figures of every list for each of the baskets."""
    progress(f"campaign: {len(uses)} baskets with coupons")
    lists = _Lists(data, known_at(data, since, np.empty(0, np.int64)).knowledge, rankers)
    nothing = np.empty(0, np.int64)
    for use in uses:
        yield {name: figures(ranked, use.wanted, nothing) for name, ranked in lists.of(use).items()}


def uses_within(data: Evaluated, known: CouponHistory, since: float, before: float) -> Iterator[Use]:
    """Yield the first basket of the day in which a customer bought what a coupon of theirs, used that day, is for."""
    index, products_of = data.assortment.index, known.products_of
    customers = {name: number for number, name in enumerate(data.dataset.customer_ids)}
    for customer_id, day, used in known.uses(local_date(since), local_date(before)):
        if customer_id not in customers:
            continue
        covered = [index[name] for coupon in used for name in products_of[coupon] if name in index]
        found = _first_basket(data, customers[customer_id], day, np.unique(np.array(covered, np.int64)))
        if found is not None:
            held = (_coupon(name, products_of[name]) for name in known.held_by(customer_id, day))
            yield Use(customers[customer_id], found[0], tuple(held), found[1])


def _first_basket(data: Evaluated, customer: int, day: date, covered: Ints) -> tuple[int, Ints] | None:
    first, end = data.dataset.basket_starts[customer : customer + 2]
    for basket in range(int(first), int(end)):
        if local_date(float(data.dataset.at[basket])) == day:
            wanted = np.intersect1d(data.dataset.basket(basket), covered)
            if wanted.size:
                return basket, wanted
    return None


def _coupon(name: str, product_ids: Sequence[str]) -> Coupon:
    campaign_id = name.split("/", maxsplit=1)[0]
    return Coupon(
        uuid5(NAMESPACE_URL, name),
        campaign_id,
        CURRENCY,
        amount_minor=_TAKES_OFF_MINOR,
        product_ids=frozenset(product_ids),
    )


class _Lists:
    """Makes the lists for one basket as the placement does: the products of coupons, then the ranked ones."""

    def __init__(self, data: Evaluated, knowledge: Knowledge, rankers: Rankers) -> None:
        """Give every product a price, so that a coupon has something to take off."""
        products = data.assortment.products
        priced = {each.product_id: replace(each, price_minor=_PRICE_MINOR, currency=CURRENCY) for each in products}
        self._dataset, self._knowledge, self._rankers = data.dataset, knowledge, rankers
        self._on_sale = replace(knowledge, assortment=assortment_of(data.dataset.product_ids, priced))
        self._names = ProductNames(self._on_sale.assortment)

    def of(self, use: Use) -> Mapping[str, Ints]:
        """Return the list as served, the one without coupons, and coupons in the order of what everybody buys."""
        at = float(self._dataset.at[use.basket])
        history, nobody = (self._dataset.history(use.customer, before) for before in (at, -np.inf))
        shopper = shopper_of(history, self._knowledge, use.customer)
        ranked = listed(self._knowledge, self._rankers, shopper, at, NEW_CANDIDATES, np.empty(0, np.int64))
        return {
            AS_SERVED: _then(self._offered(use, history, at), ranked),
            WITHOUT: ranked,
            IMPERSONAL: _then(self._offered(use, nobody, at), ranked),
        }

    def _offered(self, use: Use, history: History, at: float) -> Ints:
        allowed = np.ones(len(self._on_sale.assortment), np.bool_)
        return Offering(use.coupons, moment(at)).ranked(self._on_sale, self._names, history, allowed)[0]


def _then(first: Ints, rest: Ints) -> Ints:
    return np.concatenate((first, rest[~np.isin(rest, first)]))
