"""Which senders are programs that crawl the web, by what they call themselves."""

from enum import StrEnum
from functools import lru_cache

from crawleruseragents import is_crawler

USER_AGENT_CHARS_MAX = 512
_REMEMBERED = 4096


class BotFilter(StrEnum):
    """What a source does about crawlers."""

    OFF = "off"
    FLAG = "flag"
    DROP = "drop"


@lru_cache(maxsize=_REMEMBERED)
def _is_known(user_agent: str) -> bool:
    # The whole list takes about 0.15 ms; the same few hundred browsers ask again and again.
    known: bool = is_crawler(user_agent)
    return known


def is_bot(user_agent: str | None) -> bool:
    """Whether a user agent is of a known crawler, by a list kept up in public (MIT licence)."""
    return user_agent is not None and _is_known(user_agent[:USER_AGENT_CHARS_MAX])
