"""Made-up product views in the shape of a client library's `track`."""

import base64
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID


class Shoppers:
    """Product views as a client's library sends them; no two have the same number."""

    def __init__(self, now: datetime, customers: int) -> None:
        self._now = now
        self._customers = customers
        self._random = random.Random(20)  # noqa: S311 (the same events every time)

    def messages(self, count: int) -> list[dict[str, Any]]:
        return [self._message() for _ in range(count)]

    def _message(self) -> dict[str, Any]:
        customer = self._random.randrange(self._customers)
        viewed_at = self._now - timedelta(seconds=self._random.randrange(3_000))
        return {
            "type": "track",
            "event": "Product Viewed",
            "messageId": str(UUID(int=self._random.getrandbits(128))),
            "anonymousId": str(UUID(int=customer)),
            "userId": f"user-{customer}",
            "timestamp": viewed_at.isoformat(),
            "sentAt": self._now.isoformat(),
            "properties": {
                "product_id": f"P{self._random.randrange(5_000)}",
                "name": "Ground coffee 500 g",
                "price": 4.99,
                "currency": "USD",
                "category": "coffee",
                "position": 3,
            },
            "context": {"library": {"name": "analytics-python", "version": "2.3.4"}, "userAgent": "Mozilla/5.0"},
        }


def write_key_headers(write_key: str) -> Mapping[str, str]:
    """Return what a client library sends to say which source it is."""
    return {"Authorization": f"Basic {base64.b64encode(f'{write_key}:'.encode()).decode()}"}
