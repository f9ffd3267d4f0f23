"""Owns names and birthdays of the made-up world: who is called what, and how people write it where they are asked.

The names are common ones; how often each occurs falls with its rank. Every rate is one of the constants below.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

CHINESE = 0.5
"""Of the households; the others have Western names."""
ONE_CHARACTER = 0.2
"""Of Chinese given names; the others have two."""
OWN_FAMILY_NAME = 0.2
"""Of further adults of a Western household; in a Chinese one all of them."""
NAMESAKE = 0.02
"""Of children: called as a parent is."""
TELLS_BIRTHDAY = 0.6
"""Of people; each has that habit or not. The birthday stands in a registration, not in an order or message."""
NAME_AT_REGISTRATION, NAME_IN_ORDER, NAME_IN_MESSAGE = 0.85, 0.95, 0.5
FAMILY_NAME_TOO = 0.9
BIRTHDAY_LEFT_OUT = 0.1
"""Of the registrations of people who do tell it."""
NICKNAME, INITIAL, PINYIN = 0.06, 0.03, 0.03
"""Of what Western people write: Bob, R.; of what Chinese people write: in Latin letters."""
NAME_TYPO, BIRTHDAY_TYPO, BIRTHDAY_DEFAULT = 0.02, 0.01, 0.03
"""Written wrong; left at what the form had, 1 January."""
FOR_ANOTHER = 0.01
"""Of what is filled in in a family: with the name and birthday of another of them."""

_WESTERN_TEXT = (
    "James Mary Michael Patricia Robert Jennifer John Linda David Elizabeth William Barbara Richard Susan Joseph "
    "Jessica Thomas Karen Christopher Sarah Charles Lisa Daniel Nancy Matthew Sandra Anthony Betty Mark Ashley "
    "Donald Emily Steven Kimberly Andrew Margaret Paul Donna Joshua Michelle Kenneth Carol Kevin Amanda Brian "
    "Melissa Timothy Deborah Ronald Stephanie George Rebecca Jason Sharon Edward Laura Jeffrey Cynthia Ryan Dorothy "
    "Jacob Amy Nicholas Kathleen Gary Angela Eric Shirley Jonathan Emma Stephen Brenda Larry Pamela Justin Nicole "
    "Scott Anna Brandon Samantha Benjamin Katherine Samuel Christine Gregory Debra Alexander Rachel Patrick Carolyn "
    "Frank Janet Raymond Maria Jack Olivia Dennis Heather Jerry Helen Tyler Catherine Aaron Diane Jose Julie "
)
_WESTERN = tuple(_WESTERN_TEXT.split())
_NICKNAMES = {
    "James": "Jim", "Michael": "Mike", "Patricia": "Pat", "Robert": "Bob", "Jennifer": "Jenny", "John": "Jack",
    "David": "Dave", "Elizabeth": "Liz", "William": "Bill", "Barbara": "Barb", "Richard": "Rick", "Susan": "Sue",
    "Joseph": "Joe", "Jessica": "Jess", "Thomas": "Tom", "Christopher": "Chris", "Charles": "Chuck", "Daniel": "Dan",
    "Matthew": "Matt", "Anthony": "Tony", "Steven": "Steve", "Kimberly": "Kim", "Andrew": "Andy", "Margaret": "Peggy",
    "Joshua": "Josh", "Kenneth": "Ken", "Amanda": "Mandy", "Timothy": "Tim", "Deborah": "Debbie", "Ronald": "Ron",
    "Stephanie": "Steph", "Rebecca": "Becky", "Edward": "Ted", "Jeffrey": "Jeff", "Cynthia": "Cindy", "Jacob": "Jake",
    "Nicholas": "Nick", "Kathleen": "Kathy", "Jonathan": "Jon", "Pamela": "Pam", "Samantha": "Sam", "Benjamin": "Ben",
    "Katherine": "Kate", "Samuel": "Sam", "Christine": "Chris", "Gregory": "Greg", "Alexander": "Alex",
}  # fmt: skip
_FAMILIES_TEXT = (
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Martinez Lopez Wilson Anderson Thomas Taylor Moore "
    "Jackson Martin Lee Thompson White Harris Clark Lewis Robinson Walker Young Allen King Wright Scott Torres "
    "Nguyen Hill "
)
_WESTERN_FAMILIES = tuple(_FAMILIES_TEXT.split())
_CHARACTERS = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建文辉玲宇浩鑫波宁燕云飞雪婷梅莉晶欣怡佳琪子轩梓涵雨泽思"
    "志国海东林峰晓春新天成龙凤生永德光荣庆家俊豪嘉颖倩慧洁琳璐瑶博睿一诺依晨"
)
_SPELLINGS_TEXT = (
    "wei fang na min jing li qiang lei jun yang yong yan jie juan tao ming chao xiu xia ping gang gui ying hua yu "
    "lan hong jian wen hui ling yu hao xin bo ning yan yun fei xue ting mei li jing xin yi jia qi zi xuan zi han yu "
    "ze si zhi guo hai dong lin feng xiao chun xin tian cheng long feng sheng yong de guang rong qing jia jun hao "
    "jia ying qian hui jie lin lu yao bo rui yi nuo yi chen "
)
_PINYIN = dict(zip(_CHARACTERS, _SPELLINGS_TEXT.split(), strict=True))
_CHINESE_FAMILIES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"


@dataclass(frozen=True)
class Called:
    """Who somebody is."""

    given_name: str
    family_name: str
    born: date
    tells_birthday: bool


@dataclass(frozen=True)
class Told:
    """What one record says of it, as it was typed."""

    given_name: str | None = None
    family_name: str | None = None
    birthday: str | None = None


@dataclass
class Naming:
    """Invents names and birthdays, and how they are written."""

    chance: random.Random

    def family(self, years: Sequence[int], adults: int) -> list[Called]:
        """Name a household, born in these years, its adults first."""
        is_chinese = self.chance.random() < CHINESE
        called: list[Called] = []
        for place, year in enumerate(years):
            before = [one.given_name for one in called]
            is_child = place >= adults
            given_name = self._given(is_chinese=is_chinese)
            while given_name in before:
                given_name = self._given(is_chinese=is_chinese)
            if is_child and self.chance.random() < NAMESAKE:
                given_name = before[self.chance.randrange(adults)]
            is_own = not called or (not is_child and (is_chinese or self.chance.random() < OWN_FAMILY_NAME))
            family_name = self._family(is_chinese=is_chinese) if is_own else called[0].family_name
            born = date(year, 1, 1) + timedelta(days=self.chance.randrange(365))
            called.append(Called(given_name, family_name, born, self.chance.random() < TELLS_BIRTHDAY))
        return called

    def at_registration(self, called: Called, family: Sequence[Called]) -> Told:
        who = self._whose(called, family)
        return self._told(who, NAME_AT_REGISTRATION, self._birthday(who))

    def in_order(self, called: Called, family: Sequence[Called]) -> Told:
        return self._told(self._whose(called, family), NAME_IN_ORDER, None)

    def in_message(self, called: Called, family: Sequence[Called]) -> Told:
        return self._told(self._whose(called, family), NAME_IN_MESSAGE, None)

    def _whose(self, called: Called, family: Sequence[Called]) -> Called:
        is_another = len(family) > 1 and self.chance.random() < FOR_ANOTHER
        return self.chance.choice([one for one in family if one is not called]) if is_another else called

    def _told(self, called: Called, share: float, birthday: str | None) -> Told:
        if self.chance.random() >= share:
            return Told(birthday=birthday)
        family_name = called.family_name if self.chance.random() < FAMILY_NAME_TOO else None
        return Told(self._written(called.given_name), family_name, birthday)

    def _given(self, *, is_chinese: bool) -> str:
        if not is_chinese:
            return self._ranked(_WESTERN)
        return "".join(self._ranked(_CHARACTERS) for _ in range(1 if self.chance.random() < ONE_CHARACTER else 2))

    def _family(self, *, is_chinese: bool) -> str:
        return self._ranked(_CHINESE_FAMILIES if is_chinese else _WESTERN_FAMILIES)

    def _ranked(self, names: Sequence[str]) -> str:
        """Draw one; the common ones are several times as frequent as the rare."""
        return names[int(len(names) * self.chance.random() ** 1.5)]

    def _written(self, given_name: str) -> str:
        draw = self.chance.random()
        is_chinese = given_name[0] in _PINYIN
        if is_chinese and draw < PINYIN:
            return "".join(_PINYIN[one] for one in given_name).title()
        if not is_chinese and draw < NICKNAME:
            return _NICKNAMES.get(given_name, given_name)
        if not is_chinese and draw < NICKNAME + INITIAL:
            return f"{given_name[0]}."
        if draw > 1 - NAME_TYPO:
            return self._mistyped(given_name, is_chinese=is_chinese)
        return self.chance.choice((given_name, given_name, given_name, given_name.upper(), f" {given_name.lower()}"))

    def _mistyped(self, given_name: str, *, is_chinese: bool) -> str:
        place = self.chance.randrange(len(given_name))
        other = self._ranked(_CHARACTERS) if is_chinese else self.chance.choice("aeiourstn")
        return given_name[:place] + other + given_name[place + 1 :]

    def _birthday(self, called: Called) -> str | None:
        if not called.tells_birthday or self.chance.random() < BIRTHDAY_LEFT_OUT:
            return None
        draw = self.chance.random()
        if draw < BIRTHDAY_DEFAULT:
            return f"{self.chance.choice((1990, called.born.year))}-01-01"
        if draw < BIRTHDAY_DEFAULT + BIRTHDAY_TYPO:
            return (called.born + timedelta(days=self.chance.choice((-10, -1, 1, 10, 365)))).isoformat()
        return self.chance.choice((f"{called.born:%Y-%m-%d}", f"{called.born:%Y/%m/%d}", f"{called.born:%Y%m%d}"))
