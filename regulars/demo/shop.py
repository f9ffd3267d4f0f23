"""The five services as a shop's programs see them: HTTP only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from regulars.answers import code_of, document_of
from regulars.credentials import Credentials
from regulars.errors import RegularsError

TIMEOUT = httpx.Timeout(60.0, connect=5.0)

Json = dict[str, Any]


class ServiceRefused(RegularsError):
    """A service answered with an error; `code` is its problem code."""

    def __init__(self, service: str, path: str, answer: httpx.Response) -> None:
        super().__init__(f"{service} {path}: {answer.status_code} {answer.text[:500]}")
        self.code = code_of(answer)


@dataclass(frozen=True)
class Shop:
    """One client for all five services, with the administrator's key."""

    client: httpx.Client
    addresses: Mapping[str, str]

    @classmethod
    def of(cls, credentials: Credentials) -> Self:
        headers = {"Authorization": f"Bearer {credentials.api_key}"}
        return cls(httpx.Client(headers=headers, timeout=TIMEOUT, trust_env=False), credentials.addresses)

    def get(self, service: str, path: str, **query: str | int) -> Json:
        """Raise ServiceRefused unless the answer is a success."""
        return self._answer(service, path, self.client.get(self.addresses[service] + path, params=query))

    def post(self, service: str, path: str, body: Json | None = None, **headers: str) -> Json:
        """Raise ServiceRefused unless the answer is a success."""
        answer = self.client.post(self.addresses[service] + path, json=body or {}, headers=headers)
        return self._answer(service, path, answer)

    def _answer(self, service: str, path: str, answer: httpx.Response) -> Json:
        if not answer.is_success:
            raise ServiceRefused(service, path, answer)
        return document_of(answer)

    def customer(self, card: str) -> Json:
        return self.post("profile", "/v1/customers:lookup", {"namespace": "loyalty_card", "value": card})

    def recommendations(self, placement: str, card: str, store_id: str | None, limit: int = 10) -> Json:
        body: Json = {"identifier": {"namespace": "loyalty_card", "value": card}, "limit": limit}
        body["context"] = {"store_id": store_id} if store_id else {}
        return self.post("recommend", f"/v1/recommendations/{placement}", body)

    def warnings(self) -> list[Json]:
        """Return every open warning, the most urgent first."""
        found: list[Json] = []
        query: dict[str, str | int] = {"limit": 100}
        while True:
            page = self.get("churn", "/v1/warnings", **query)
            found += page["items"]
            if not page.get("next_cursor"):
                return found
            query["cursor"] = page["next_cursor"]

    def redeem(self, code: str, card: str, order: Json, key: str) -> Json:
        """Redeem one coupon as a till does; raise ServiceRefused with the reason's code."""
        body: Json = {
            "redeemables": [{"kind": "coupon", "id": code}],
            "identifier": {"namespace": "loyalty_card", "value": card},
            "order": order,
        }
        return self.post("campaign", "/v1/redemptions", body, **{"Idempotency-Key": key})
