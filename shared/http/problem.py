"""The one shape of every error answer: RFC 9457 `application/problem+json` plus `code` and `message`."""

import http
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.errors import (
    Conflict,
    DomainError,
    Forbidden,
    InvalidInput,
    Malformed,
    NotFound,
    RetryLater,
    TooMany,
    TransientError,
    Unauthorized,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
ERRORS_MAX = 100
TRANSIENT_RETRY_SECONDS = 2

# The nearest class in an error's ancestry decides.
STATUS_OF: Mapping[type[DomainError], int] = {
    Malformed: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    InvalidInput: 422,
    TooMany: 429,
    Unavailable: 503,
    DomainError: 422,
}

# Codes of the answers that the framework itself gives.
CODE_OF: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "route_not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}

log = structlog.get_logger()


class ProblemItem(BaseModel):
    """One fault among several."""

    model_config = ConfigDict(extra="allow")

    field: str | None = Field(
        default=None,
        description="JSON pointer into the body, such as /lines/0/quantity, or a parameter's name",
    )
    code: str = Field(description="stable word for programs")
    message: str = Field(description="sentence for people")


class Problem(BaseModel):
    """RFC 9457 problem details; `code` is stable, the sentences may be reworded."""

    type: str = Field(examples=["urn:regulars:problem:customer_not_found"])
    title: str = Field(examples=["Customer not found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["no customer has this identifier"])
    code: str = Field(examples=["customer_not_found"])
    message: str = Field(description="the same sentence as `detail`, where existing client libraries look")
    request_id: str = Field(description="quote it when asking for help; it is in every log line of the request")
    errors: list[ProblemItem] = Field(description="each fault by itself; empty when there is only the one above")


def problem_response(  # noqa: PLR0913 - the shape has these parts
    request_id: str,
    status: int,
    code: str,
    message: str,
    *,
    errors: Sequence[Mapping[str, object]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Build the answer; at most `ERRORS_MAX` items of `errors` are shown."""
    body = {
        "type": f"urn:regulars:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": message,
        "code": code,
        "message": message,
        "request_id": request_id,
        "errors": [dict(item) for item in errors[:ERRORS_MAX]],
    }
    content = orjson.dumps(body, default=str)
    return Response(content, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def request_id_of(request: Request) -> str:
    request_id: str = request.scope.get("state", {}).get("request_id", "")
    return request_id


def status_of(error: DomainError) -> int:
    return next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)


def domain_problem(request_id: str, error: DomainError) -> Response:
    """Answer a domain error; its `field` becomes an item of `errors` unless it brought its own."""
    errors: Sequence[Mapping[str, object]] = error.errors
    if not errors and error.field is not None:
        errors = [{"field": error.field, "code": error.code, "message": error.message}]
    headers: dict[str, str] = {}
    if isinstance(error, RetryLater):
        headers["Retry-After"] = str(max(1, error.retry_after_seconds))
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return problem_response(request_id, status_of(error), error.code, error.message, errors=errors, headers=headers)


def internal_problem(request_id: str) -> Response:
    """Answer a bug; what it was is in the log under the request's id, never in the answer."""
    return problem_response(
        request_id,
        500,
        "internal_error",
        "something went wrong on our side; quote the request_id when asking",
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of `app` in the one shape; unexpected exceptions are the outermost middleware's."""
    app.add_exception_handler(DomainError, _on_domain_error)
    app.add_exception_handler(TransientError, _on_transient_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


async def _on_domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)
    return domain_problem(request_id_of(request), error)


async def _on_transient_error(request: Request, error: Exception) -> Response:
    log.warning("dependency_away", kind=type(error).__name__, reason=str(error))
    return domain_problem(
        request_id_of(request),
        Unavailable(
            "a part this answer needs is away for the moment; ask again",
            retry_after_seconds=TRANSIENT_RETRY_SECONDS,
        ),
    )


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, (UnicodeDecodeError, RecursionError)):
        return domain_problem(request_id_of(request), MalformedJson("the body is not readable as JSON"))
    return problem_response(
        request_id_of(request),
        error.status_code,
        CODE_OF.get(error.status_code, "refused"),
        _http_message(error, request),
        headers=error.headers,
    )


def _http_message(error: HTTPException, request: Request) -> str:
    plain = http.HTTPStatus(error.status_code).phrase
    if error.detail and error.detail != plain:
        return str(error.detail)
    match error.status_code:
        case 404:
            return "there is no such route; /docs lists them"
        case 405:
            return f"this route does not answer {request.method}"
        case _:
            return plain


class MalformedJson(Malformed):
    code = "malformed_json"


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    request_id = request_id_of(request)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "it does not parse")
        return domain_problem(
            request_id,
            MalformedJson(f"the body is not JSON: {reason} (character {first['loc'][-1]})"),
        )
    if isinstance(error.body, bytes) and error.body and first["loc"][:1] == ("body",):
        return problem_response(
            request_id, 415, "unsupported_media_type", "send the body with Content-Type: application/json"
        )
    errors = [validation_item(item, error.body) for item in error.errors()]
    return problem_response(request_id, 422, "invalid_input", _summary(errors), errors=errors)


def _summary(errors: Sequence[Mapping[str, object]]) -> str:
    first = errors[0]
    where = first["field"] or "the body"
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where}: {first['message']}{more}"


def validation_item(item: Mapping[str, Any], body: object) -> dict[str, object]:
    """Turn one of pydantic's errors into an item of `errors`, without repeating the offending value."""
    where, *path = item["loc"]
    field = json_pointer(path, body) if where == "body" else ".".join(str(part) for part in path)
    return {"field": field, "in": where, "code": item["type"], "message": _IN_WORDS.get(item["type"], item["msg"])}


_IN_WORDS: Mapping[str, str] = {
    "extra_forbidden": "no field has this name here; /docs says which there are",
    "missing": "is missing; give it",
}
"""What pydantic says in words that name no cure."""


def json_pointer(path: Sequence[str | int], body: object) -> str:
    """Return the RFC 6901 pointer of a pydantic location.

    Locations inside unions also name the tried alternative, which is no part of the document: a name that the
    document does not hold there is left out unless it is the last one (a missing field).
    """
    parts: list[str] = []
    here: Any = body
    for position, part in enumerate(path):
        is_last = position == len(path) - 1
        if _holds(here, part):
            here = here[part]
        elif not (is_last and isinstance(here, Mapping)):
            continue
        parts.append(str(part).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{part}" for part in parts)


def _holds(here: object, part: str | int) -> bool:
    if isinstance(here, list):
        return isinstance(part, int) and part < len(here)
    return isinstance(here, Mapping) and part in here
