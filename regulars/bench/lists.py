"""The questions that recommend is asked in a benchmark, drawn from real shopping with a fixed seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import Any

import orjson
import polars as pl

from regulars.bench.pace import Run
from regulars.bench.wire import Request

SEED = 7
LIMIT = 10
OPEN_BASKET = 3


@dataclass(frozen=True)
class Shopping:
    """Cards, each in an order drawn once, and for each a basket that was really bought."""

    cards: Sequence[str]
    baskets: Mapping[str, Sequence[str]]
    stores: Mapping[str, str]

    @classmethod
    def of(cls, lines: pl.DataFrame) -> "Shopping":
        """Take receipt lines: customer_id, basket_id, product_id, store_id. The last basket of each is kept."""
        last = (
            lines.sort("at")
            .group_by("customer_id", "basket_id", maintain_order=True)
            .agg("product_id", pl.col("store_id").first())
            .group_by("customer_id", maintain_order=True)
            .last()
        )
        rows = {row["customer_id"]: row for row in last.iter_rows(named=True)}
        cards = sorted(rows)
        Random(SEED).shuffle(cards)  # noqa: S311 - a repeatable draw, no secret
        return cls(
            cards,
            {card: row["product_id"] for card, row in rows.items()},
            {card: row["store_id"] for card, row in rows.items()},
        )

    def for_you(self, count: int) -> list[Request]:
        """Ask for so many lists, the cards taking turns."""
        return [_list("for-you", **self._of(card)) for card in self._turns(count)]

    def basket(self, count: int) -> list[Request]:
        return [
            _list("basket", **self._of(card), context={"items": self.baskets[card][:OPEN_BASKET]})
            for card in self._turns(count)
        ]

    def similar(self, count: int, place: int = 0) -> list[Request]:
        """Ask for lists beside one product of each basket, by its place; the first where there is none there."""
        items = [self.baskets[card][place:][:1] or self.baskets[card][:1] for card in self._turns(count)]
        return [_list("similar", context={"items": item}) for item in items]

    def trending(self, count: int) -> list[Request]:
        return [_list("trending", context={"store_id": self.stores[card]}) for card in self._turns(count)]

    def unchanged(self, count: int, people: int) -> list[Request]:
        """Ask for the same few people's lists again and again."""
        return list(islice(cycle(self.for_you(people)), count))

    def products(self) -> list[str]:
        """Return what is in these baskets, each once."""
        return list(dict.fromkeys(product for card in self.cards for product in self.baskets[card]))

    def _turns(self, count: int) -> Iterator[str]:
        return islice(cycle(self.cards), count)

    @staticmethod
    def _of(card: str) -> dict[str, Any]:
        return {"identifier": {"namespace": "loyalty_card", "value": card}}


def _list(placement: str, **asked: Any) -> Request:  # noqa: ANN401 - a JSON body
    return Request("POST", f"/v1/recommendations/{placement}", orjson.dumps({"limit": LIMIT, **asked}))


@dataclass(frozen=True, slots=True)
class Contents:
    """What a run's lists held. `personal` counts those that used a customer's history, `first` those of level 0."""

    failed: int
    empty: int
    personal: int
    first: int

    @classmethod
    def of(cls, run: Run) -> "Contents":
        answers = [answer.json() for answer in run.answers if answer.status == 200]
        return cls(
            failed=len(run.answers) - len(answers),
            empty=sum(not answer["items"] for answer in answers),
            personal=sum(answer["personalized"] for answer in answers),
            first=sum(answer["fallback_level"] == 0 for answer in answers),
        )

    def in_words(self, count: int) -> str:
        return f"{self.personal} of {count} personal, {self.empty} empty, {self.failed} failed"
