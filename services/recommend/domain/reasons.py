"""Owns the plain reason beside a recommendation: a code, its parameters, and text in English or Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.recommend.domain.due import Due, Outlook, due_of
from services.recommend.domain.promotions import Promotion
from services.recommend.domain.purchases import OwnProduct


class Language(StrEnum):
    ENGLISH = "en"
    CHINESE = "zh"


class ReasonCode(StrEnum):
    DUE = "due"
    BOUGHT_OFTEN = "bought_often"
    BOUGHT_BEFORE = "bought_before"
    SIMILAR_CUSTOMERS = "similar_customers"
    GOES_WITH = "goes_with"
    IN_BASKETS_WITH = "in_baskets_with"
    LIKE_SESSIONS = "like_sessions"
    ON_OFFER = "on_offer"
    DUE_TYPE = "due_type"
    SIMILAR_TO = "similar_to"
    TRENDING = "trending"
    POPULAR_IN_STORE = "popular_in_store"
    POPULAR = "popular"
    AVAILABLE = "available"
    SUBSTITUTE_FOR = "substitute_for"
    INSTEAD_OF = "instead_of"
    FEATURED = "featured"
    NEW_PRODUCT = "new_product"
    COUPON = "coupon"


@dataclass(frozen=True, slots=True)
class Reason:
    code: ReasonCode
    params: Mapping[str, int | str]
    text: str


_TEXT: Mapping[Language, Mapping[ReasonCode, str]] = {
    Language.ENGLISH: {
        ReasonCode.DUE: "usually every {gap_days}, last bought {since_days} ago",
        ReasonCode.BOUGHT_OFTEN: "bought {count}, last {since_days} ago",
        ReasonCode.BOUGHT_BEFORE: "last bought {since_days} ago",
        ReasonCode.SIMILAR_CUSTOMERS: "customers who shop like you buy it",
        ReasonCode.GOES_WITH: "often bought together with {product}",
        ReasonCode.IN_BASKETS_WITH: "{of_ten} of 10 baskets with {product} hold it",
        ReasonCode.LIKE_SESSIONS: "bought by others who looked at the same",
        ReasonCode.ON_OFFER: "{percent} off its usual price",
        ReasonCode.DUE_TYPE: "you usually buy {product_type} every {gap_days}, last {since_days} ago",
        ReasonCode.SIMILAR_TO: "similar to {product}",
        ReasonCode.TRENDING: "bought more than usual this week",
        ReasonCode.POPULAR_IN_STORE: "popular in your store",
        ReasonCode.POPULAR: "popular with our customers",
        ReasonCode.AVAILABLE: "available now",
        ReasonCode.SUBSTITUTE_FOR: "in place of {product}, which is out of stock here",
        ReasonCode.INSTEAD_OF: "can take the place of {product}",
        ReasonCode.FEATURED: "featured by the shop",
        ReasonCode.NEW_PRODUCT: "new in the range",
        ReasonCode.COUPON: "your coupon takes {saving} off",
    },
    Language.CHINESE: {
        ReasonCode.DUE: "您通常每{gap_days}购买一次,上次购买是{since_days}前",
        ReasonCode.BOUGHT_OFTEN: "您买过{count},上次是{since_days}前",
        ReasonCode.BOUGHT_BEFORE: "您{since_days}前买过",
        ReasonCode.SIMILAR_CUSTOMERS: "与您购物习惯相近的顾客常买",
        ReasonCode.GOES_WITH: "常与{product}一起购买",
        ReasonCode.IN_BASKETS_WITH: "每10个含{product}的购物篮中有{of_ten}个也有它",
        ReasonCode.LIKE_SESSIONS: "浏览相同商品的顾客也购买",
        ReasonCode.ON_OFFER: "比平时便宜{percent}",
        ReasonCode.DUE_TYPE: "您通常每{gap_days}购买一次{product_type},上次是{since_days}前",
        ReasonCode.SIMILAR_TO: "与{product}相似",
        ReasonCode.TRENDING: "本周热度上升",
        ReasonCode.POPULAR_IN_STORE: "您所在门店的热销商品",
        ReasonCode.POPULAR: "顾客常买",
        ReasonCode.AVAILABLE: "现货供应",
        ReasonCode.SUBSTITUTE_FOR: "可替代本店缺货的{product}",
        ReasonCode.INSTEAD_OF: "可替代{product}",
        ReasonCode.FEATURED: "店铺推荐",
        ReasonCode.NEW_PRODUCT: "新品上架",
        ReasonCode.COUPON: "您的优惠券可减{saving}",
    },
}
_UNITS: Mapping[Language, Mapping[str, tuple[str, str]]] = {
    Language.ENGLISH: {
        "gap_days": ("{} day", "{} days"),
        "since_days": ("{} day", "{} days"),
        "count": ("{} time", "{} times"),
        "percent": ("{} %", "{} %"),
    },
    Language.CHINESE: {
        "gap_days": ("{}天", "{}天"),
        "since_days": ("{}天", "{}天"),
        "count": ("{}次", "{}次"),
        "percent": ("{}%", "{}%"),
    },
}


def reason(code: ReasonCode, language: Language = Language.ENGLISH, **params: int | str) -> Reason:
    """Return a reason with its text; numbers get their unit in the language's grammar."""
    shown = {name: _with_unit(name, value, language) for name, value in params.items()}
    return Reason(code, params, _TEXT[language][code].format(**shown))


def own_reason(
    own: OwnProduct, now: datetime, language: Language = Language.ENGLISH, outlook: Outlook | None = None
) -> Reason:
    """Say why a product that the customer buys is shown: its rhythm where there is one, else how often and when."""
    since = max((now - own.last_at) // timedelta(days=1), 0)
    due = due_of(own, now, outlook)
    if due is not None and due.is_said:
        return reason(ReasonCode.DUE, language, since_days=since, **_due_params(due))
    if own.count > 1:
        return reason(ReasonCode.BOUGHT_OFTEN, language, count=own.count, since_days=since)
    return reason(ReasonCode.BOUGHT_BEFORE, language, since_days=since)


def on_offer(promotion: Promotion, language: Language = Language.ENGLISH) -> Reason:
    """Say how much a product is below its usual price, and until when (excluded)."""
    until = promotion.until_at.isoformat()
    return reason(ReasonCode.ON_OFFER, language, percent=promotion.percent, until_at=until)


def _due_params(due: Due) -> dict[str, int | str]:
    """Return the rhythm, the day (UTC) of the next purchase, and how likely one is where that was learned."""
    params: dict[str, int | str] = {
        "gap_days": round(due.usual_gap_days),
        "due_on": due.due_at.date().isoformat(),
    }
    return params if due.chance is None else params | {"chance_percent": round(100 * due.chance)}


def _with_unit(name: str, value: int | str, language: Language) -> str:
    units = _UNITS[language].get(name)
    if units is None:
        return str(value)
    return units[value != 1].format(value)
