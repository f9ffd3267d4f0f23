"""Owns answers as the bytes that are sent: the shapes of `RecommendOut` and `PreviewOut`, without their objects.

A list that is given again is not written again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from services.recommend.domain.requests import Effect, Item
from services.recommend.handlers.answers import Answered
from services.recommend.handlers.preview import Preview
from services.recommend.schemas.lists import OfferOut
from services.recommend.serving.catalogue import Listed


def answer_json(answered: Answered, include: Sequence[str]) -> bytes:
    """Return one list."""
    return orjson.dumps(_answer(answered, include))


def page_json(page: Sequence[Answered], include: Sequence[str]) -> bytes:
    """Return the lists of a page."""
    return orjson.dumps({"results": [_answer(answered, include) for answered in page]})


def preview_json(shown: Preview, listed: Mapping[str, Listed], include: Sequence[str]) -> bytes:
    """Return both lists of a dry run, and what each rule did."""
    lists = {name: answer.items for name, answer in (("before", shown.before), ("after", shown.after))}
    parts = frozenset(include)
    return orjson.dumps(
        {name: [_item(item, listed.get(item.product_id), parts) for item in items] for name, items in lists.items()}
        | {"rules": [_effect(effect) for effect in shown.after.effects]}
    )


def _answer(answered: Answered, include: Sequence[str]) -> dict[str, Any]:
    answer, trial = answered.answer, answered.trial
    # As text: ids that come from the database are of a class of the driver's.
    return {
        "request_id": str(answered.request_id),
        "placement": answer.placement.value,
        "model_version": answered.model_version,
        "experiment": None if trial is None else {"id": trial.experiment_id, "variant": trial.variant},
        "fallback_level": answer.fallback_level,
        "personalized": answered.is_personalized,
        "missing": [missing.value for missing in answered.missing],
        "customer_id": None if answered.customer_id is None else str(answered.customer_id),
        "items": orjson.Fragment(_items(answered, frozenset(include))),
        "rules": [_effect(effect) for effect in answer.effects],
    }


def _items(answered: Answered, include: frozenset[str]) -> bytes:
    def write() -> bytes:
        listed = answered.present.listed
        return orjson.dumps([_item(item, listed.get(item.product_id), include) for item in answered.answer.items])

    return write() if answered.given is None else answered.given.written(include, write)


def _item(item: Item, listed: Listed | None, include: frozenset[str]) -> dict[str, Any]:
    return {
        "id": item.product_id,
        "rank": item.rank,
        "score": item.score,
        "source": item.source.value,
        "pinned": item.pinned,
        "reason": _reason(item) if "reason" in include else None,
        "product": _product(listed) if listed is not None and "product" in include else None,
        "offer": None if item.offer is None else OfferOut.of(item.offer).model_dump(mode="json"),
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "rule_id": str(effect.rule_id),
        "name": effect.name,
        "kind": effect.kind,
        "outcome": effect.outcome.value,
        "product_ids": effect.product_ids,
        "detail": effect.detail,
    }


def _reason(item: Item) -> Mapping[str, Any]:
    return {"code": item.reason.code.value, "params": dict(item.reason.params), "text": item.reason.text}


def _product(listed: Listed) -> Mapping[str, Any]:
    product = listed.product
    return {
        "name": product.name,
        "brand": listed.brand,
        "categories": listed.categories,
        "size": product.size,
        "price_minor": product.price_minor,
        "currency": product.currency,
    }
