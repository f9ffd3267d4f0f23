"""Whether a refused input names a person: their identifiers, however they were typed."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from unicodedata import normalize

_DIGITS = re.compile(r"\D+")
_NUMBER = re.compile(r"\+?\d{9,}")
_LOCAL_DIGITS = 9
"""A phone number is recognised by its last digits: country codes and leading zeros are typed in many ways."""


@dataclass(frozen=True, slots=True)
class Mentioned:
    """What a person was called, normalised."""

    texts: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def of(cls, values: Iterable[str]) -> "Mentioned":
        """Take normalised identifiers; numbers are looked for among digits alone, everything else as it stands."""
        listed = [value.casefold() for value in values]
        numbers = {_DIGITS.sub("", one)[-_LOCAL_DIGITS:] for one in listed if _NUMBER.fullmatch(one)}
        return cls(frozenset(listed), frozenset(numbers))

    def __bool__(self) -> bool:
        return bool(self.texts)

    def stands_in(self, document: bytes) -> bool:
        """Say whether one of them stands anywhere in a document.

        One too many is found rather than one too few: a refused input that is deleted without need was refused.
        """
        # NFKC makes full-width letters and digits plain ones.
        text = normalize("NFKC", document.decode("utf-8", "replace")).casefold()
        if any(one in text for one in self.texts):
            return True
        digits = re.sub(r"[\s().\-]", "", text)
        return any(one in digits for one in self.numbers)
