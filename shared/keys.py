"""API keys: their text, the file that lists them by digest, and who a key belongs to.

A key is `rgl_`, 43 random base62 characters (256 bits) and a checksum of six, so that a leaked key can be
found by a scanner and a mistyped one is refused without a look-up. Only SHA-256 digests are stored: 256
random bits need no slow hash.
"""

import hashlib
import json
import os
import secrets
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import structlog

from shared.clock import Clock, SystemClock, utc

PREFIX = "rgl_"
WRITE_PREFIX = "rgw_"
"""Of the write keys of ingest's sources, so that a scanner can tell which kind leaked."""
RANDOM_CHARS = 43
CHECKSUM_CHARS = 6
EVERYTHING = "*"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# Every scope that a route may require, with what it allows.
SCOPES: Mapping[str, str] = {
    "ingest:read": "see stored events, refusals and imports",
    "ingest:write": "send receipts, catalogue, customers, consents and feedback; correct and replay refusals",
    "ingest:admin": "manage sources and links between identifiers",
    "identity:resolve": "turn an identifier into its subject",
    "pii:read": "see contact data unmasked, for a stated purpose; audited",
    "privacy:write": "erase and export a customer",
    "log:read": "read a service's numbered log",
    "profile:read": "read customers, segments and figures",
    "profile:write": "tag customers, define segments, order exports",
    "recommend:read": "ask for recommendations and report what was shown or clicked",
    "recommend:write": "change placements, rules and experiments",
    "recommend:admin": "train, promote and roll back models",
    "churn:read": "read scores, warnings and factors",
    "churn:write": "answer warnings, change policies and measures",
    "churn:admin": "train, promote and roll back models",
    "campaign:read": "read campaigns, coupons, members and decisions",
    "campaign:write": "plan campaigns, templates, audiences and journeys",
    "campaign:approve": "approve, start, pause and stop campaigns",
    "campaign:redeem": "qualify, validate, redeem and roll back at a till",
}

ROLES: Mapping[str, frozenset[str]] = {
    "administrator": frozenset({EVERYTHING}),
    "service": frozenset(
        {
            "log:read",
            "identity:resolve",
            "pii:read",
            "profile:read",
            "recommend:read",
            "churn:read",
            "campaign:read",
        }
    ),
    "store": frozenset(
        {
            "ingest:write",
            "profile:read",
            "recommend:read",
            "campaign:read",
            "campaign:redeem",
            "identity:resolve",
        }
    ),
    "marketer": frozenset(
        {"profile:read", "profile:write", "recommend:read", "recommend:write", "churn:read", "churn:write"}
        | {"campaign:read", "campaign:write"}
    ),
    "analyst": frozenset({"ingest:read", "profile:read", "recommend:read", "churn:read", "campaign:read"}),
}


class KeysFileError(Exception):
    """The file of API keys cannot be used; the message names the file and the fault."""


@dataclass(frozen=True, slots=True)
class KeyLimit:
    """How much a key may send to ingest, on average and at once, to all of its processes together."""

    events_per_second: int
    burst: int


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: what they may do (`scopes`), for which stores, and in whose name (`actor`)."""

    key_id: str
    role: str
    scopes: frozenset[str]
    store_ids: frozenset[str]
    actor: str
    limit: KeyLimit | None = None

    def has_scope(self, scope: str) -> bool:
        return scope in self.scopes or EVERYTHING in self.scopes

    def serves_store(self, store_id: str) -> bool:
        return store_id in self.store_ids or EVERYTHING in self.store_ids

    @property
    def own_store_ids(self) -> frozenset[str] | None:
        """The stores that this caller is for; None: every store."""
        return None if EVERYTHING in self.store_ids else self.store_ids

    def may_see(self, store_ids: Collection[str] | None) -> bool:
        """Say whether something of these stores is within the caller's; None stands for every store."""
        return EVERYTHING in self.store_ids or (store_ids is not None and self.store_ids.issuperset(store_ids))


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One line of the keys file: a caller, the digest of their key and until when it holds."""

    digest: str
    caller: Caller
    expires_at: datetime | None = None

    def to_json(self) -> dict[str, object]:
        limit = self.caller.limit
        limited = {} if limit is None else {"limit": asdict(limit)}
        return {
            **limited,
            "id": self.caller.key_id,
            "digest": self.digest,
            "role": self.caller.role,
            "scopes": sorted(self.caller.scopes),
            "stores": sorted(self.caller.store_ids),
            "actor": self.caller.actor,
            "expires_at": None if self.expires_at is None else self.expires_at.isoformat(),
        }


def new_key(prefix: str = PREFIX) -> str:
    """Return a new secret key; it is shown once and only its digest is kept."""
    body = "".join(secrets.choice(_BASE62) for _ in range(RANDOM_CHARS))
    return prefix + body + _checksum(body)


def verify_checksum(key: str, prefix: str = PREFIX) -> bool:
    """Tell whether the text has the form of a key and its checksum fits, known or not."""
    body, checksum = key[len(prefix) : -CHECKSUM_CHARS], key[-CHECKSUM_CHARS:]
    return key.startswith(prefix) and len(body) == RANDOM_CHARS and key.isascii() and _checksum(body) == checksum


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def issue_key(
    role: str,
    actor: str,
    *,
    store_ids: Iterable[str] = (EVERYTHING,),
    expires_at: datetime | None = None,
    limit: KeyLimit | None = None,
) -> tuple[str, KeyEntry]:
    """Make a key with the scopes of `role`; return its text and the entry to keep.

    Raises `ValueError` when the role is unknown.
    """
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}; roles are {', '.join(ROLES)}")
    key = new_key()
    caller = Caller(f"key_{secrets.token_hex(6)}", role, ROLES[role], frozenset(store_ids), actor, limit)
    return key, KeyEntry(digest(key), caller, None if expires_at is None else utc(expires_at))


def read_keys(path: Path) -> list[KeyEntry]:
    """Read a keys file; raise `KeysFileError` when it is missing or not what it should be."""
    try:
        return [_entry(item) for item in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeysFileError(f"the API keys in {path} cannot be read: {type(error).__name__}: {error}") from error


def write_keys(path: Path, entries: Iterable[KeyEntry]) -> None:
    """Replace the keys file in one step, readable by its owner only."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump([entry.to_json() for entry in entries], file, indent=1)
    fresh.replace(path)


class KeyRing:
    """The keys of one file, read again when it changes.

    A later version that cannot be read is logged and leaves the last good one in force.
    Raises `KeysFileError` when the file cannot be read at the start.
    """

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        self._path = path
        self._clock = clock or SystemClock()
        self._log = structlog.get_logger()
        self._seen = self._signature()
        self._by_digest = _indexed(read_keys(path))

    def caller(self, key: str) -> Caller | None:
        """Return whom the key belongs to; None when it is malformed, unknown or expired."""
        if not verify_checksum(key):
            return None
        self._refresh()
        entry = self._by_digest.get(digest(key))
        if entry is None or (entry.expires_at is not None and entry.expires_at <= self._clock.now()):
            return None
        return entry.caller

    def _refresh(self) -> None:
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self._by_digest = _indexed(read_keys(self._path))
        except KeysFileError as error:
            self._log.error("keys_file_unreadable", reason=str(error))

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _indexed(entries: Iterable[KeyEntry]) -> dict[str, KeyEntry]:
    return {entry.digest: entry for entry in entries}


def _entry(item: Mapping[str, object]) -> KeyEntry:
    expires_at = item.get("expires_at")
    caller = Caller(
        key_id=_text(item["id"]),
        role=_text(item["role"]),
        scopes=_texts(item["scopes"]),
        store_ids=_texts(item["stores"]),
        actor=_text(item["actor"]),
        limit=_limit(item.get("limit")),
    )
    return KeyEntry(
        digest=_text(item["digest"]),
        caller=caller,
        expires_at=None if expires_at is None else utc(datetime.fromisoformat(_text(expires_at))),
    )


def _limit(value: object) -> KeyLimit | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise TypeError("expected an object with events_per_second and burst")
    return KeyLimit(_whole(value["events_per_second"]), _whole(value["burst"]))


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("expected a whole number of 1 or more")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a non-empty string")
    return value


def _texts(value: object) -> frozenset[str]:
    if not isinstance(value, list):
        raise TypeError("expected a list of strings")
    return frozenset(_text(item) for item in value)


def _checksum(body: str) -> str:
    number = zlib.crc32(body.encode("utf-8", "surrogatepass"))
    characters = ""
    for _ in range(CHECKSUM_CHARS):
        number, remainder = divmod(number, 62)
        characters = _BASE62[remainder] + characters
    return characters
