"""Owns finding the words beside an item that the customer never bought: what it has to do with what is open."""

from services.recommend.domain.reasons import Language, Reason, ReasonCode, reason
from services.recommend.domain.requests import Source
from services.recommend.history import Ints
from services.recommend.model import Model
from services.recommend.serving.stand_ins import DueType

SHOWN_SHARE = 0.1
"""Below one in ten baskets the figure persuades nobody."""
BY_ITEM = {Source.COMPANIONS, Source.ASSOCIATIONS, Source.VECTORS, Source.SAME_KIND}
_CODES = {
    Source.SESSIONS: ReasonCode.LIKE_SESSIONS,
    Source.TRENDING: ReasonCode.TRENDING,
    Source.STORE_POPULAR: ReasonCode.POPULAR_IN_STORE,
    Source.POPULAR: ReasonCode.POPULAR,
    Source.ASSORTMENT: ReasonCode.AVAILABLE,
}


def by_source(source: Source, language: Language) -> Reason:
    """Say what the generator's own knowledge is, where it has nothing to do with an item or a rhythm."""
    return reason(_CODES.get(source, ReasonCode.SIMILAR_CUSTOMERS), language)


def with_item(model: Model, product: int, items: Ints, source: Source, language: Language) -> Reason | None:
    """Say what a product has to do with the latest item; None where no item is known.

    Where enough baskets with that item hold the product, how many do.
    """
    if not items.size:
        return None
    latest = model.knowledge.assortment.products[int(items[-1])]
    name = latest.name or latest.product_id
    if source not in {Source.COMPANIONS, Source.ASSOCIATIONS}:
        return reason(ReasonCode.SIMILAR_TO, language, product=name)
    share = model.associations.share(int(items[-1]), product)
    if share < SHOWN_SHARE:
        return reason(ReasonCode.GOES_WITH, language, product=name)
    return reason(ReasonCode.IN_BASKETS_WITH, language, product=name, of_ten=int(10 * share))


def of_type(name: str, rhythm: DueType, language: Language) -> Reason:
    """Say how regularly the customer buys this type of product."""
    return reason(
        ReasonCode.DUE_TYPE,
        language,
        product_type=name,
        gap_days=max(round(rhythm.gap_days), 1),
        since_days=round(rhythm.since_days),
        chance_percent=round(100 * rhythm.chance),
    )
