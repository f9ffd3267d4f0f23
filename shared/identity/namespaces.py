"""The kinds of identifier there are, and which of several names a person best."""

import re
from typing import Literal

STRENGTH: tuple[str, ...] = (
    "loyalty_card",
    "user_id",
    "wechat_unionid",
    "phone",
    "email",
    "wechat_openid",
    "card_token",
    "anonymous_id",
)
"""Strongest first: the strongest identifier of an event gives it its subject."""

NEVER_REISSUED: tuple[str, ...] = ("loyalty_card", "user_id")
"""Namespaces whose values stay with one person for ever, so that every service may derive their subjects."""

_EXTERNAL = re.compile(r"external:[a-z0-9_]{1,40}")


def is_namespace(namespace: str) -> bool:
    """Whether it is one of `STRENGTH` or another system's own, written `external:NAME`."""
    return namespace in STRENGTH or _EXTERNAL.fullmatch(namespace) is not None


def strength_rank(namespace: str) -> tuple[int, str]:
    """Sort key, strongest first; another system's own ids rank above a device and below all else."""
    device = STRENGTH.index("anonymous_id")
    rank = STRENGTH.index(namespace) if namespace in STRENGTH else device
    return (rank + (namespace == "anonymous_id"), namespace)


def subject_kind_of(namespace: str) -> Literal["identified", "device"]:
    """Whether an identifier names a person or only a device."""
    return "device" if namespace == "anonymous_id" else "identified"
