"""Ingest's API as commands call it: the deployment's address and administrator's key, refusals as one sentence."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import httpx

from regulars.answers import document_of, refusal_of
from regulars.cli.verify import credentials_of
from regulars.errors import RegularsError
from regulars.folder import DataFolder

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class IngestClient:
    """A client for one command's life."""

    client: httpx.Client

    @classmethod
    def of(cls, data_dir: Path) -> Self:
        """Open a client to the deployment of this folder. Raises RegularsError when there is none."""
        credentials = credentials_of(DataFolder.of(data_dir))
        headers = {"Authorization": f"Bearer {credentials.api_key}"}
        return cls(
            httpx.Client(base_url=credentials.addresses["ingest"], headers=headers, timeout=TIMEOUT, trust_env=False)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    def post(self, path: str, body: dict[str, Any], *, idempotency_key: str | None = None) -> dict[str, Any]:
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return self._answered("POST", path, json=body, headers=headers)

    def get(self, path: str) -> dict[str, Any]:
        return self._answered("GET", path)

    def get_until(self, path: str, is_done: Callable[[dict[str, Any]], bool], wait_seconds: float) -> dict[str, Any]:
        """Ask until it is done or the time is over; return the last answer either way."""
        deadline = time.monotonic() + wait_seconds
        while True:
            shown = self.get(path)
            if is_done(shown) or time.monotonic() > deadline:
                return shown
            time.sleep(LOOK_SECONDS)

    def _answered(self, method: str, path: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 (httpx's own)
        try:
            answer = self.client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise RegularsError(f"ingest does not answer ({error}): is it up?") from error
        if answer.is_error:
            raise RegularsError(refusal_of(answer))
        return document_of(answer)


def meant(customer: str) -> dict[str, Any]:
    """Return what a person typed as a request's fields: a customer's id, or NAMESPACE:VALUE."""
    try:
        return {"customer_id": str(UUID(customer))}
    except ValueError:
        namespace, separator, value = customer.rpartition(":")
        if not separator or not namespace or not value:
            raise RegularsError(
                f"{customer!r} is neither a customer's id nor NAMESPACE:VALUE, such as phone:13912345678"
            ) from None
        return {"identifier": {"namespace": namespace, "value": value}}
