"""Reading answers of the services, and of whatever else may answer in their place: a proxy's page, an empty body."""

from typing import Any

import httpx

from regulars.errors import RegularsError

Document = dict[str, Any]
TEXT_CHARS_MAX = 300


class NotAnAnswer(RegularsError):
    """What came is none of a service of ours."""


def document_of(answer: httpx.Response) -> Document:
    """Return the JSON object of a success. Raises NotAnAnswer for anything else."""
    found = _object_of(answer)
    if found is None or not answer.is_success:
        raise NotAnAnswer(f"{_where(answer)} {_what(answer)}; {_CURE}")
    return found


def refusal_of(answer: httpx.Response) -> str:
    """Return in one sentence why a request failed: the service's own words, else what came and what to look at."""
    found = _object_of(answer)
    if found is not None and isinstance(found.get("message"), str):
        return f"{found['message']} ({found['code']})" if "code" in found else found["message"]
    return f"{_where(answer)} {_what(answer)}; {_CURE}"


def code_of(answer: httpx.Response) -> str:
    """Return the code of a refusal; empty where it has none."""
    found = _object_of(answer)
    return "" if found is None else str(found.get("code", ""))


def wait_seconds_of(answer: httpx.Response) -> float:
    """Return how long an answer asks to wait: 1 where it does not say, or says a date, as proxies do."""
    try:
        return max(float(answer.headers.get("Retry-After", 1)), 0.0)
    except ValueError:
        return 1.0


_CURE = "something else answers there, or a proxy before it: look at `regulars status` and at what listens"


def _object_of(answer: httpx.Response) -> Document | None:
    try:
        found = answer.json()
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _where(answer: httpx.Response) -> str:
    address = answer.request.url
    return f"{address.scheme}://{address.netloc.decode()}{address.path} answered {answer.status_code}"


def _what(answer: httpx.Response) -> str:
    if not answer.content:
        return "with an empty body"
    kind = answer.headers.get("content-type", "").partition(";")[0].strip() or "no content type"
    text = " ".join(answer.text.split())
    shown = text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + "…"
    return f"with {kind}: {shown}"
