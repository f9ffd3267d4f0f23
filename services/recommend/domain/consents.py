"""Owns whether a customer's history may be used for them."""

from collections.abc import Collection

EVERY_CHANNEL = "any"


def allows_personalisation(withdrawn_channels: Collection[str], channel: str | None) -> bool:
    """Say whether history may be used on a channel: not where any subject withdrew it, there or everywhere.

    Without a word there is no objection: whether consent must be asked for first is the chain's law, and is told by
    sending `withdrawn`.
    """
    return EVERY_CHANNEL not in withdrawn_channels and (channel is None or channel not in withdrawn_channels)
