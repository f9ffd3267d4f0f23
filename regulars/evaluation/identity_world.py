"""Owns the made-up world of `evaluate identity`: real households with seeded, invented contact data and habits.

The households (how many adults, how many children) are those of the Complete Journey data. Everything else is
invented here, and every rate is one of the constants below; docs/identity.md explains them.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from regulars.evaluation.identity_names import Called, Naming, Told

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 730
STORES = 6
RECORDS_MEAN = 12

HAS_CARD, HAS_ACCOUNT, HAS_PHONE, HAS_EMAIL, HAS_DEVICE = 0.85, 0.55, 0.95, 0.75, 0.6
TEENAGER = 0.15
"""Of the children: old enough to shop with something of their own."""
SHARES_PHONE, SHARES_EMAIL, SHARES_TABLET = 0.04, 0.03, 0.25
"""Of all but the first of a household: give the first one's phone or e-mail, use the family's tablet."""
REPLACES_CARD, CHANGES_PHONE, CHANGES_EMAIL = 0.03, 0.03, 0.02
REISSUED = 0.5
"""Of the numbers given up: come to somebody else, 200 days later at the earliest."""
REISSUED_AFTER_DAYS = 200
ACCOUNT_ASKS_PHONE = 0.85
TYPO, PLACEHOLDER = 0.01, 0.015
"""Of what is typed by hand."""
CASHIERS_CARD = 0.005
"""Of the visits to a till without an own card at hand: the cashier swipes hers."""
PARTNERS_YEARS_APART, TEENAGERS_AGE = (-4, 4), (13, 18)
STORE_TABLET = 0.03
"""Of the registrations: made on a tablet in the store."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Record:
    """One visit, order or registration: when, who it truly was, and what it named as it was typed."""

    at: datetime
    person: int
    identifiers: tuple[Pair, ...]
    is_receipt: bool
    told: Told = field(default_factory=Told)


@dataclass
class Person:
    """Somebody, with what is theirs over time: (from day, identifier)."""

    number: int
    household: int
    card: list[tuple[int, Pair]] = field(default_factory=list)
    phone: list[tuple[int, Pair]] = field(default_factory=list)
    email: list[tuple[int, Pair]] = field(default_factory=list)
    account: Pair | None = None
    devices: list[Pair] = field(default_factory=list)
    called: Called = field(default_factory=lambda: Called("", "", START.date(), tells_birthday=False))
    family: list[Called] = field(default_factory=list)


@dataclass(frozen=True)
class Household:
    """A real household: how many adults and children, and between which years its first adult was born."""

    adults: int
    children: int
    born: tuple[int, int] = (1970, 1989)


@dataclass(frozen=True)
class World:
    """People and their records, in the order of time."""

    people: Sequence[Person]
    records: Sequence[Record]


@dataclass
class _Maker:
    """Invents one world from one seed."""

    chance: random.Random
    naming: Naming
    shares: bool = True
    people: list[Person] = field(default_factory=list)
    given_up: list[tuple[int, Pair]] = field(default_factory=list)
    _numbers: set[str] = field(default_factory=set)

    def household(self, household: int, home: Household) -> None:
        teenagers = sum(self.chance.random() < TEENAGER for _ in range(home.children))
        members = [self._person(household) for _ in range(home.adults + teenagers)]
        self._name(members, home)
        tablet = ("anonymous_id", f"tablet-{household}-{self.chance.getrandbits(48):012x}")
        for place, person in enumerate(members):
            if place and self.shares and self.chance.random() < SHARES_PHONE and members[0].phone:
                person.phone = members[0].phone
            if place and self.shares and self.chance.random() < SHARES_EMAIL and members[0].email:
                person.email = members[0].email
            if len(members) > 1 and self.chance.random() < SHARES_TABLET:
                person.devices.append(tablet)
        self.people += members

    def _name(self, members: Sequence[Person], home: Household) -> None:
        chance = self.naming.chance
        first = chance.randint(*home.born)
        adults = [first] + [first + chance.randint(*PARTNERS_YEARS_APART) for _ in range(home.adults - 1)]
        years = adults + [START.year - chance.randint(*TEENAGERS_AGE) for _ in members[home.adults :]]
        family = self.naming.family(years, home.adults)
        for person, called in zip(members, family, strict=True):
            person.called, person.family = called, family

    def _person(self, household: int) -> Person:
        person = Person(len(self.people) + self.chance.randrange(1 << 40) * 100_000, household)
        chance = self.chance.random
        if chance() < HAS_CARD:
            person.card = [(0, self._card())]
            if chance() < REPLACES_CARD:
                person.card.append((self._day(), self._card()))
        if chance() < HAS_PHONE:
            person.phone = [(0, self._phone())]
            if chance() < CHANGES_PHONE:
                day = self._day()
                if chance() < REISSUED:
                    self.given_up.append((day, person.phone[0][1]))
                person.phone.append((day, self._phone()))
        if chance() < HAS_EMAIL:
            person.email = [(0, self._email())]
            if chance() < CHANGES_EMAIL:
                person.email.append((self._day(), self._email()))
        if chance() < HAS_ACCOUNT:
            person.account = ("user_id", f"u{self.chance.getrandbits(40):010x}")
        if chance() < HAS_DEVICE:
            person.devices.append(("anonymous_id", f"d{self.chance.getrandbits(64):016x}"))
        return person

    def _day(self) -> int:
        return self.chance.randrange(60, DAYS - 60)

    def _card(self) -> Pair:
        return "loyalty_card", f"60{self.chance.randrange(10**8):08d}"

    def _phone(self) -> Pair:
        while True:
            prefix = self.chance.choice(["135", "136", "137", "139", "150", "158", "186", "188"])
            number = f"{prefix}{self.chance.randrange(10**8):08d}"
            if number not in self._numbers:
                self._numbers.add(number)
                return "phone", number

    def _email(self) -> Pair:
        name = "".join(self.chance.choices("abcdefghijklmnopqrstuvwxyz", k=7))
        return "email", f"{name}{self.chance.randrange(1000)}@{self.chance.choice(['qq', '163', 'gmail'])}.com"

    def reissue(self) -> None:
        """Give numbers that were given up to others, who have them from some later day on."""
        for day, number in self.given_up:
            later = day + REISSUED_AFTER_DAYS
            if later < DAYS - 30:
                taker = self.chance.choice(self.people)
                taker.phone = [*taker.phone, (self.chance.randrange(later, DAYS - 20), number)]

    def records(self) -> list[Record]:
        cashiers = [self._card() for _ in range(STORES)]
        tablets = [("anonymous_id", f"store-tablet-{store}") for store in range(STORES)]
        made = [
            record
            for person in self.people
            for record in self._records_of(person, cashiers, tablets)
            if record.identifiers
        ]
        return sorted(made, key=lambda record: (record.at, record.person, record.identifiers))

    def _records_of(self, person: Person, cashiers: Sequence[Pair], tablets: Sequence[Pair]) -> Iterator[Record]:
        store = self.chance.randrange(STORES)
        days = sorted(
            self.chance.randrange(DAYS) for _ in range(1 + round(self.chance.expovariate(1 / RECORDS_MEAN)))
        )
        seen: set[Pair] = set()
        for day in days:
            at = START + timedelta(days=day, seconds=self.chance.randrange(8 * 3600, 21 * 3600))
            card, phone, email = (_held(kind, day) for kind in (person.card, person.phone, person.email))
            # What is new is registered, in the store or online, with what else there is.
            if card is not None and card not in seen:
                named = [card, self._typed(phone), self._typed(email)]
                if self.chance.random() < STORE_TABLET:
                    named.append(tablets[store])
                yield self._registration(at, person, named)
            if person.account is not None and person.account not in seen and self.chance.random() < 0.5:
                # Online a code is sent to e-mail and phone, so that neither is mistyped.
                named = [person.account, email, phone if self.chance.random() < ACCOUNT_ASKS_PHONE else None]
                named.append(card if self.chance.random() < 0.5 else None)
                named.append(self._device(person))
                yield self._registration(at, person, named)
                seen.add(person.account)
            seen |= {one for one in (card,) if one is not None}
            yield self._visit(at, person, (card, phone, email), cashiers[store], has_account=person.account in seen)

    def _visit(
        self,
        at: datetime,
        person: Person,
        own: tuple[Pair | None, Pair | None, Pair | None],
        cashier: Pair,
        *,
        has_account: bool,
    ) -> Record:
        card, phone, email = own
        kind = self.chance.random()
        if kind < 0.60:
            if card is None or self.chance.random() < 0.1:
                swiped = cashier if self.chance.random() < CASHIERS_CARD * 10 else None
                return self._record(at, person, [swiped, self._typed(phone)], is_receipt=True)
            return self._record(
                at, person, [card, self._typed(phone) if self.chance.random() < 0.15 else None], is_receipt=True
            )
        if kind < 0.85 and has_account:
            named = [person.account, email if self.chance.random() < 0.5 else None, self._device(person)]
            told = self.naming.in_order(person.called, person.family)
            return self._record(at, person, named, is_receipt=True, told=told)
        if kind < 0.93:
            named = [email, phone if self.chance.random() < 0.3 else None]
            told = self.naming.in_message(person.called, person.family)
            return self._record(at, person, named, is_receipt=False, told=told)
        return self._record(at, person, [self._typed(phone)], is_receipt=True)

    def _device(self, person: Person) -> Pair | None:
        return self.chance.choice(person.devices) if person.devices else None

    def _registration(self, at: datetime, person: Person, named: Sequence[Pair | None]) -> Record:
        told = self.naming.at_registration(person.called, person.family)
        return self._record(at, person, named, is_receipt=False, told=told)

    def _record(
        self,
        at: datetime,
        person: Person,
        named: Sequence[Pair | None],
        *,
        is_receipt: bool,
        told: Told | None = None,
    ) -> Record:
        identifiers = tuple(dict.fromkeys(one for one in named if one is not None))
        return Record(at, person.number, identifiers, is_receipt, told or Told())

    def _typed(self, pair: Pair | None) -> Pair | None:
        """Return an identifier as somebody typed it: rarely wrong, or a placeholder instead."""
        if pair is None:
            return None
        namespace, value = pair
        draw = self.chance.random()
        if draw < PLACEHOLDER:
            return namespace, "13800138000" if namespace == "phone" else "null"
        if draw < PLACEHOLDER + TYPO:
            place = self.chance.randrange(3, len(value) - 4)
            if namespace == "phone":
                return namespace, value[:place] + self.chance.choice("0123456789") + value[place + 1 :]
            return namespace, value[:place] + value[place + 1] + value[place] + value[place + 2 :]
        return pair


def _held(kinds: Sequence[tuple[int, Pair]], day: int) -> Pair | None:
    held = [pair for since, pair in kinds if since <= day]
    return held[-1] if held else None


def make_world(households: Sequence[Household], seed: int, *, shares: bool = True) -> World:
    """Invent a world of these households, the same one for one seed.

    `shares`: whether families share phones and e-mail addresses.
    """
    # Names have a chance of their own: habits are the same with and without them.
    naming = Naming(random.Random(f"names of {seed}"))  # noqa: S311 (a simulation)
    maker = _Maker(random.Random(seed), naming, shares)  # noqa: S311 (a simulation)
    for number, home in enumerate(households):
        maker.household(number, home)
    maker.reissue()
    return World(maker.people, maker.records())
