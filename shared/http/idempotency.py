"""Idempotency-Key: one effect and one answer, however often a request for money or messages is repeated.

The stored answer is written in the transaction of the effect, so that neither exists without the other. Of
two requests with one key at once the first holds an advisory lock until its commit, the other is told to ask
again.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any

import orjson
from fastapi import Depends, Header
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from shared.db import Database, Transaction
from shared.errors import Conflict, InvalidInput, Malformed
from shared.http.auth import requires
from shared.http.problem import MEDIA_TYPE as PROBLEM_MEDIA_TYPE
from shared.keys import Caller

# A till may repeat a request weeks after it was first sent; past this a repeat has an effect again.
KEPT_FOR = timedelta(days=90)
PURGED_AT_ONCE = 1000
KEY_CHARS_MAX = 255
REPLAYED_HEADER = "Idempotency-Replayed"
_STATUS_MIN_REFUSED = 400


class IdempotencyKeyMissing(Malformed):
    code = "idempotency_key_missing"


class IdempotencyKeyReused(InvalidInput):
    code = "idempotency_key_reused"


class IdempotencyInProgress(Conflict):
    code = "idempotency_in_progress"


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request that has one effect: its key, whose it is, and a fingerprint of what it asks."""

    caller: Caller
    scope: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer as it is stored and sent."""

    status: int
    body: bytes
    replayed: bool = False

    @classmethod
    def of(cls, content: BaseModel | dict[str, Any], status: int = 200) -> "Answer":
        if isinstance(content, BaseModel):
            return cls(status, content.model_dump_json().encode())
        return cls(status, orjson.dumps(content, default=str))

    def response(self) -> Response:
        refused = self.status >= _STATUS_MIN_REFUSED
        media_type = PROBLEM_MEDIA_TYPE if refused else "application/json"
        headers = {REPLAYED_HEADER: "true"} if self.replayed else None
        return Response(self.body, status_code=self.status, media_type=media_type, headers=headers)


@cache
def idempotent(scope: str) -> Callable[..., Awaitable[IdempotentRequest]]:
    """Return the dependency of a route with an effect: asks for `scope` and an `Idempotency-Key`."""

    async def read(
        request: Request,
        caller: Annotated[Caller, Depends(requires(scope))],
        idempotency_key: Annotated[
            str | None, Header(description="chosen by the client, the same on every repeat; required")
        ] = None,
    ) -> IdempotentRequest:
        key = _checked_key(idempotency_key)
        # By actor and not by key: a repeat under the rotated API key is still a repeat.
        where = f"{caller.actor} {request.method} {request.url.path}"
        return IdempotentRequest(caller, where, key, fingerprint(await request.body(), request.url.query))

    return read


def _checked_key(key: str | None) -> str:
    if not key:
        raise IdempotencyKeyMissing("this route needs an Idempotency-Key header", field="Idempotency-Key")
    if len(key) > KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
        raise InvalidInput(
            f"an Idempotency-Key is at most {KEY_CHARS_MAX} printable ASCII characters",
            field="Idempotency-Key",
        )
    return key


def fingerprint(body: bytes, query: str = "") -> str:
    """Return a digest of what is asked: spacing and the order of fields in a JSON body make no difference."""
    try:
        canonical = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    except orjson.JSONDecodeError:
        canonical = body
    return hashlib.sha256(query.encode() + b"\0" + canonical).hexdigest()


async def run_once(
    tx: Transaction,
    request: IdempotentRequest,
    effect: Callable[[], Awaitable[Answer]],
    *,
    now: datetime,
    kept_for: timedelta = KEPT_FOR,
) -> Answer:
    """Run `effect` in the open transaction `tx` and store its answer, or return the one stored before.

    An exception from `effect` stores nothing: the caller's transaction rolls back and a repeat tries again.
    An `Answer` with a 4xx status is stored like any other. Raises `IdempotencyInProgress` while another
    transaction runs the same request, `IdempotencyKeyReused` when the key was used for something else.
    """
    await _lock(tx, request)
    stored = await tx.fetchrow(
        """
        SELECT fingerprint, status, body FROM idempotency_keys
        WHERE scope = $1 AND key = $2 AND expires_at > $3
        """,
        request.scope,
        request.key,
        now,
    )
    if stored is not None:
        await tx.acknowledge()
        return _replayed(stored["fingerprint"], stored["status"], stored["body"], request)
    answer = await effect()
    await _store(tx, request, answer, now + kept_for)
    return answer


async def _lock(tx: Transaction, request: IdempotentRequest) -> None:
    locked = await tx.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtextextended($1 || chr(10) || $2, 0))",
        request.scope,
        request.key,
    )
    if not locked:
        raise IdempotencyInProgress("a request with this Idempotency-Key is still running; ask again in a second")


def _replayed(stored_fingerprint: str, status: int, body: bytes, request: IdempotentRequest) -> Answer:
    if stored_fingerprint != request.fingerprint:
        raise IdempotencyKeyReused(
            "this Idempotency-Key was used for a request with other content", field="Idempotency-Key"
        )
    return replace(Answer(status, bytes(body)), replayed=True)


async def _store(tx: Transaction, request: IdempotentRequest, answer: Answer, expires_at: datetime) -> None:
    await tx.execute(
        """
        INSERT INTO idempotency_keys (scope, key, fingerprint, status, body, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (scope, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, status = excluded.status,
            body = excluded.body, expires_at = excluded.expires_at
        """,
        request.scope,
        request.key,
        request.fingerprint,
        answer.status,
        answer.body,
        expires_at,
    )


async def purge_all_expired(database: Database, now: datetime) -> None:
    """Delete every answer past its time, each lot in a transaction of its own."""
    purged = PURGED_AT_ONCE
    while purged == PURGED_AT_ONCE:
        async with database.transaction() as tx:
            purged = await purge_expired(tx, now)


async def purge_expired(tx: Transaction, now: datetime, limit: int = PURGED_AT_ONCE) -> int:
    """Delete up to `limit` answers past their time; return how many."""
    return await tx.execute(
        """
        DELETE FROM idempotency_keys WHERE (scope, key) IN
        (SELECT scope, key FROM idempotency_keys WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)
        """,
        now,
        limit,
    )
