"""The numbered log: every event that a service says, numbered without gaps, kept where it was made."""

from shared.log.append import Outgoing, append
from shared.log.domain import BACKLOG, LIVE
from shared.log.numberer import Numberer, NumberingHook
from shared.log.publisher import Publisher
from shared.log.reader import Head, LogForkedError, LogReader, Numbered

__all__ = [
    "BACKLOG",
    "LIVE",
    "Head",
    "LogForkedError",
    "LogReader",
    "Numbered",
    "Numberer",
    "NumberingHook",
    "Outgoing",
    "Publisher",
    "append",
]
