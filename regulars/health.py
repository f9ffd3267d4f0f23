"""What a process says of itself over HTTP: whether it is ready, and how far it lags."""

import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For addresses of this machine: reading every authority that is trusted takes longer than asking a process."""
_TIMEOUT = httpx.Timeout(3.0, connect=1.0)
_AT_ONCE = 8
_LAG_RECORDS = "consumer_lag_records"
_LAG_SECONDS = "consumer_lag_seconds"


@dataclass(frozen=True, slots=True)
class Health:
    """`reason` says why it is not ready; the lags are None where a process consumes nothing."""

    ready: bool
    reason: str = ""
    lag_records: int | None = None
    lag_seconds: float | None = None


def probe_all(targets: Iterable[tuple[str, bool]]) -> list[Health]:
    """Ask processes at the same time, given as (address, with lag); answers come in the order asked.

    A process that cannot be asked is not ready.
    """
    with (
        httpx.Client(timeout=_TIMEOUT, trust_env=False, verify=NO_TLS) as client,
        ThreadPoolExecutor(_AT_ONCE) as pool,
    ):
        return list(pool.map(lambda target: _probe(client, target[0], with_lag=target[1]), targets))


def _probe(client: httpx.Client, address: str, *, with_lag: bool) -> Health:
    try:
        answer = client.get(f"{address}/health/ready")
        lag = lag_of(client.get(f"{address}/metrics").text) if with_lag else (None, None)
    except httpx.HTTPError as error:
        return Health(ready=False, reason=f"no answer ({type(error).__name__})")
    ready = answer.status_code == httpx.codes.OK
    return Health(ready, "" if ready else _reason(answer), *lag)


def lag_of(metrics: str) -> tuple[int | None, float | None]:
    """Return the records still to apply, summed, and the longest lag in seconds, of all topics and partitions.

    Seconds are not summed: partitions lag at the same time.
    """
    records: list[float] = []
    seconds: list[float] = []
    for family in text_string_to_metric_families(metrics):
        values = [sample.value for sample in family.samples]
        if family.name == _LAG_RECORDS:
            records += values
        elif family.name == _LAG_SECONDS:
            seconds += values
    return (int(sum(records)) if records else None, max(seconds) if seconds else None)


def _reason(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    detail = body.get("detail") or body.get("message") if isinstance(body, dict) else None
    return str(detail or f"HTTP {answer.status_code}")
