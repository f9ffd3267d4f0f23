"""Tokens by which a shop's server vouches for who is signed in on a page, which a page alone is not believed."""

import hmac
from datetime import UTC, datetime, timedelta

VALID_FOR_MAX = timedelta(days=1)


def source_secret(tokens_key: bytes, source_id: str) -> str:
    """Return a source's secret for signing, as text; it belongs on the shop's server, never into a page."""
    return hmac.digest(tokens_key, source_id.encode(), "sha256").hex()


def identity_token(secret: str, user_id: str, anonymous_id: str, expires_at: datetime) -> str:
    """Return the token that `user_id` is signed in on the device `anonymous_id`: `EXPIRES.HMAC-SHA256`, hex.

    Signed are the three, each followed by a line feed; EXPIRES is in Unix seconds.
    """
    expires = int(expires_at.timestamp())
    message = f"{user_id}\n{anonymous_id}\n{expires}\n".encode()
    return f"{expires}.{hmac.digest(secret.encode(), message, 'sha256').hex()}"


def vouches(secret: str, token: str, user_id: str, anonymous_id: str, now: datetime) -> bool:
    """Whether a token holds for this user on this device; one that holds for longer than a day never does."""
    expires = token.partition(".")[0]
    if not (expires.isascii() and expires.isdecimal() and len(expires) <= len("9999999999")):
        return False
    expires_at = datetime.fromtimestamp(int(expires), UTC)
    if not now <= expires_at <= now + VALID_FOR_MAX:
        return False
    expected = identity_token(secret, user_id, anonymous_id, expires_at)
    return hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace"))
