"""Owns what a trained version expects of a customer's own products, as plain values for reasons."""

from collections.abc import Mapping

from services.recommend.assortment import Assortment
from services.recommend.domain.due import CHANCE_DAYS, Outlook
from services.recommend.generators.rhythm import HORIZONS_DAYS, Rhythms, expected, occasions_of, shopping_of
from services.recommend.history import History, Ints

_HORIZON = HORIZONS_DAYS.index(CHANCE_DAYS)


def outlooks(
    history: History, products: Ints, rhythms: Rhythms, now: float, assortment: Assortment
) -> Mapping[str, Outlook]:
    """Return an outlook for those of these products that were bought; `now` in days since 1970-01-01 UTC."""
    lines = history.lines_of(products)
    if not lines.size:
        return {}
    own = occasions_of(history.at[lines], history.product[lines])
    found = expected(own, shopping_of(history, now), rhythms, now)
    rows = zip(
        found.keys.tolist(),
        found.probability[_HORIZON].tolist(),
        found.days.tolist(),
        found.days_low.tolist(),
        found.days_high.tolist(),
        strict=True,
    )
    return {assortment.products[key].product_id: Outlook(*values) for key, *values in rows}
