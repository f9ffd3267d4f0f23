"""Owns the numbers that product and store ids have in this process's memory, and what they are in a model's columns.

Ids are only ever added, so a number stays what it was: there are as many as the chain ever sold products.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from services.recommend.history import Ints

LAID_OUT_MAX = 4
"""How many models' columns are kept laid out: that in use, the one before it, one being tried."""


class Vocabulary:
    """Ids in the order in which they were first seen; the place of each is its number."""

    def __init__(self) -> None:
        """Start without any."""
        self.words: list[str] = []
        self._numbers: dict[str, int] = {}
        self._laid_out: list[tuple[Mapping[str, int], Ints]] = []

    def number(self, word: str) -> int:
        """Return an id's number; a new id gets the next one."""
        found = self._numbers.get(word)
        if found is None:
            found = self._numbers[word] = len(self.words)
            self.words.append(word)
        return found

    def find(self, word: str) -> int | None:
        return self._numbers.get(word)

    def indices(self, index: Mapping[str, int]) -> Ints:
        """Return what each number is in an index that never changes, -1 where it is not in it."""
        before = next((columns for known, columns in self._laid_out if known is index), None)
        if before is not None and before.size == len(self.words):
            return before
        columns = _NONE if before is None else before
        fresh = [index.get(word, -1) for word in self.words[columns.size :]]
        columns = np.concatenate((columns, np.array(fresh, np.int64)))
        others = [laid_out for laid_out in self._laid_out if laid_out[0] is not index]
        self._laid_out = [(index, columns), *others[: LAID_OUT_MAX - 1]]
        return columns


_NONE: Ints = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Names:
    """The products and stores that pasts speak of."""

    products: Vocabulary = field(default_factory=Vocabulary)
    stores: Vocabulary = field(default_factory=Vocabulary)
