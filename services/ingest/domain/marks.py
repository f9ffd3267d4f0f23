"""Blind marks of given name and birthday: whether two sayings can be about one person. Alone they link nobody."""

import hmac
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Literal, Self

MARK_BYTES = 16
NAME_CHARS_MAX = 200
EARLIEST_YEAR = 1900
_TELLS_NOBODY = frozenset(
    {"null", "none", "nil", "nan", "undefined", "unknown", "anonymous", "guest", "test", "tester", "customer", "user"}
    | {"na", "noname", "member", "visitor", "mr", "mrs", "ms", "miss", "dr", "先生", "女士", "小姐", "太太", "顾客"}
)
_BIRTHDAY = re.compile(
    r"(\d{4})(?:(?P<sep>[-/.])(\d{1,2})(?P=sep)(\d{1,2})|(\d{2})(\d{2})|年(\d{1,2})月(\d{1,2})日)(?!\d)"
)
_FAMILIES_TEXT = "欧阳 歐陽 司马 司馬 诸葛 諸葛 上官 司徒 东方 東方 独孤 南宫 夏侯 皇甫 尉迟 公孙 慕容 令狐 宇文 长孙"
_FAMILIES_OF_TWO = frozenset(_FAMILIES_TEXT.split())
_HAN_NAME_MAX = 4
_LATIN, _HAN, _OTHER = b"l", b"h", b"o"

Comparison = Literal["same", "different", "unknown"]
Difference = Literal["none", "name", "both"]


@dataclass(frozen=True, slots=True, order=True)
class Marks:
    """What one saying tells of who somebody is: keyed hashes; empty where it does not say.

    A mark of a given name begins with its script, since Wei and 伟 cannot be compared.
    """

    given: bytes = b""
    born: bytes = b""

    @classmethod
    def of(cls, key: bytes, given_name: str | None, birthday: str | None) -> Self | None:
        """Return the marks of what was typed; None where nothing of it tells one person from another."""
        given = None if given_name is None else standard_given_name(given_name)
        born = None if birthday is None else standard_birthday(birthday)
        if given is None and born is None:
            return None
        return cls(
            b"" if given is None else _script(given) + _mark(key, "given-name", given),
            b"" if born is None else _mark(key, "birthday", born),
        )

    def is_like(self, other: Self) -> bool:
        """Whether name or birthday is the same, and neither differs."""
        compared = self.compared(other)
        return "same" in compared and "different" not in compared

    def compared(self, other: Self) -> tuple[Comparison, Comparison]:
        has_scripts_alike = self.given[:1] == other.given[:1]
        given: Comparison = _compared(self.given, other.given) if has_scripts_alike else "unknown"
        return given, _compared(self.born, other.born)


def difference(one: Iterable[Marks], other: Iterable[Marks]) -> Difference:
    """Return by what two customers differ; by nothing where anything that was said of both is the same.

    A birthday alone may be mistyped; a name alone may be a nickname, and so weighs less than both.
    """
    others = tuple(other)
    compared = [first.compared(second) for first in one for second in others]
    if any("same" in each for each in compared):
        return "none"
    if ("different", "different") in compared:
        return "both"
    return "name" if any(given == "different" for given, _ in compared) else "none"


def are_same(one: Iterable[Marks], other: Iterable[Marks]) -> bool:
    """Whether two customers are called the same and born on the same day, as far as both say."""
    others = tuple(other)
    return any(first.is_like(second) for first in one for second in others)


def _compared(one: bytes, other: bytes) -> Comparison:
    if not one or not other:
        return "unknown"
    return "same" if one == other else "different"


def _mark(key: bytes, kind: str, standard: str) -> bytes:
    return hmac.digest(key, f"{kind}/{standard}".encode(), "sha256")[:MARK_BYTES]


@lru_cache(maxsize=5_000)
def standard_given_name(text: str) -> str | None:
    """Return a given name without case, accents, width and further names; None for an initial or a placeholder."""
    if len(text) > NAME_CHARS_MAX:
        return None
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    words = re.split(r"[\s\-\u2010-\u2015]+", "".join(one for one in plain if not unicodedata.combining(one)).strip())
    letters = unicodedata.normalize("NFC", "".join(one for one in words[0] if one.isalpha()))
    is_initial = len(letters) == 1 and _script(letters) != _HAN
    return None if not letters or is_initial or letters in _TELLS_NOBODY else letters


def given_name_of_full(text: str) -> str | None:
    """Return the given name in a full name where it is certain which part that is: in Chinese characters.

    "Chen Li" may be either way round.
    """
    name = "".join(unicodedata.normalize("NFKC", text[:NAME_CHARS_MAX]).split())
    if not 2 <= len(name) <= _HAN_NAME_MAX or any(_script(one) != _HAN for one in name) or name in _TELLS_NOBODY:
        return None
    family = 2 if name[:2] in _FAMILIES_OF_TWO and len(name) > 2 else 1
    return name[family:]


@lru_cache(maxsize=5_000)
def standard_birthday(text: str) -> str | None:
    """Return a birthday as YYYY-MM-DD; None for no date with a four-digit year, and for a form's 1 January."""
    found = _BIRTHDAY.match(unicodedata.normalize("NFKC", text[:NAME_CHARS_MAX]).strip())
    if found is None:
        return None
    year, month, day = (int(one) for one in found.groups() if one is not None and one.isdecimal())
    try:
        born = date(year, month, day)
    except ValueError:
        return None
    return None if born.year < EARLIEST_YEAR or (born.month, born.day) == (1, 1) else born.isoformat()


def _script(text: str) -> bytes:
    name = unicodedata.name(text[0], "")
    return _HAN if name.startswith("CJK") else _LATIN if name.startswith("LATIN") else _OTHER
