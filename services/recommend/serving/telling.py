"""Owns finding the words beside an item that the customer never bought: what it has to do with what is open."""

from services.recommend.domain.reasons import Language, Reason, ReasonCode, reason
from services.recommend.domain.requests import Source
from services.recommend.history import Ints
from services.recommend.model import Model
from services.recommend.serving.stand_ins import DueType

SHOWN_SHARE = 0.1
"""Below one in ten baskets the figure persuades nobody."""
_CODES = {
    Source.SESSIONS: ReasonCode.LIKE_SESSIONS,
    Source.TRENDING: ReasonCode.TRENDING,
    Source.STORE_POPULAR: ReasonCode.POPULAR_IN_STORE,
    Source.POPULAR: ReasonCode.POPULAR,
    Source.ASSORTMENT: ReasonCode.AVAILABLE,
    Source.RULE: ReasonCode.FEATURED,
    Source.EXPLORATION: ReasonCode.NEW_PRODUCT,
}
_BY_ITEM = {
    Source.COMPANIONS: ReasonCode.GOES_WITH,
    Source.ASSOCIATIONS: ReasonCode.GOES_WITH,
    Source.VECTORS: ReasonCode.SIMILAR_TO,
    Source.SAME_KIND: ReasonCode.SIMILAR_TO,
    Source.SUBSTITUTES: ReasonCode.INSTEAD_OF,
}


def of_new(model: Model, product: int, items: Ints, source: Source, language: Language) -> Reason:
    """Say what a product has to do with the latest of the context's items, else how its generator came to it.

    Where enough baskets with that item hold the product, how many do.
    """
    if source not in _BY_ITEM or not items.size:
        return reason(_CODES.get(source, ReasonCode.SIMILAR_CUSTOMERS), language)
    code = _BY_ITEM[source]
    latest = model.knowledge.assortment.products[int(items[-1])]
    name = latest.name or latest.product_id
    share = model.associations.share(int(items[-1]), product) if code is ReasonCode.GOES_WITH else 0.0
    if share >= SHOWN_SHARE:
        return reason(ReasonCode.IN_BASKETS_WITH, language, product=name, of_ten=int(10 * share))
    return reason(code, language, product=name)


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
