"""Owns which share of the customers a process keeps in memory, where one process cannot keep all.

Customer C is of share k of n where crc32(C as lower-case text with hyphens) % n is k - 1: whoever spreads requests
over processes can work out the same.
"""

from dataclasses import dataclass
from re import fullmatch
from uuid import UUID
from zlib import crc32

SHARES_MAX = 1024


class InvalidShare(ValueError):
    """Not a share."""


@dataclass(frozen=True, slots=True)
class Share:
    """The `number`-th of `of` shares, counted from 1."""

    number: int = 1
    of: int = 1

    @classmethod
    def parsed(cls, text: str) -> "Share":
        """Return what "2/4" means. Raises InvalidShare."""
        found = fullmatch(r"(\d{1,4})/(\d{1,4})", text)
        share = cls(int(found[1]), int(found[2])) if found else cls(0, 0)
        if not 1 <= share.number <= share.of <= SHARES_MAX:
            raise InvalidShare(f"must be k/n with 1 <= k <= n <= {SHARES_MAX}, like 1/4")
        return share

    def holds(self, customer_id: UUID) -> bool:
        return self.of == 1 or crc32(str(customer_id).encode()) % self.of == self.number - 1
