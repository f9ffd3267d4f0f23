"""HTTP clients for calls between services: key, request id and trace carried on, time-outs stated."""

import httpx
from pydantic import SecretStr

from shared import tracing
from shared.http.carried import carried_headers, told

CONNECT_SECONDS = 2.0
CONNECTIONS_MAX = 20


def service_client(
    base_url: str,
    key: SecretStr,
    timeout_seconds: float = 5.0,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
) -> httpx.AsyncClient:
    """Return a client to keep for the process's life and close at its end.

    `timeout_seconds` bounds each read, write and wait for a free connection; connecting is bounded by 2 s and
    tried twice. `transport` replaces the network, for tests.
    """
    limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
    return httpx.AsyncClient(
        base_url=base_url,
        headers={"Authorization": f"Bearer {key.get_secret_value()}", "Accept": "application/json"},
        timeout=httpx.Timeout(timeout_seconds, connect=min(CONNECT_SECONDS, timeout_seconds)),
        transport=_traced(transport or httpx.AsyncHTTPTransport(limits=limits, retries=1, trust_env=False)),
        event_hooks={"request": [_carry_context]},
        # Services call each other directly; a proxy variable of the machine must not redirect their keys.
        trust_env=False,
    )


def _traced(transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
    return _TracedTransport(transport) if tracing.is_on() else transport


class _TracedTransport(httpx.AsyncBaseTransport):
    """Tells of each call whom it went to and how it ended; not its path, which may name a customer."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with told(request.method, request.url.host, request.url.port) as span:
            request.headers.update(carried_headers())
            response = await self._inner.handle_async_request(request)
            span.tell("http.response.status_code", response.status_code)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _carry_context(request: httpx.Request) -> None:
    request.headers.update(carried_headers())
