"""Owns lists that were given before: given again while nothing changed that they were made of.

They lie beside the model and the shelf that they were made from, and go with them, and with the policy that they were
made under. The key holds everything else that a list is made of: the question, the version of the customer's state,
the rules in force, what steps back, and the moment, by the minute. Lists that chance has a part in are not kept.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import datetime

from services.recommend.domain.requests import Answer, Request, without_repeats

ITEMS_MAX = 50_000
"""At most so many products in all lists that are kept: some 40 MB with what is shown of them."""
MOMENT_SECONDS = 60


class Given:
    """A list, cut to what was asked for and written down at most once each."""

    __slots__ = ("_alone", "_limit", "_written", "answer")

    def __init__(self, answer: Answer, limit: int) -> None:
        """Take a list that may be longer than was asked for."""
        self.answer = answer
        self._limit = limit
        self._alone: Answer | None = None
        self._written: dict[Hashable, bytes] = {}

    @property
    def alone(self) -> Answer:
        """The list where it is the only one of its page."""
        if self._alone is None:
            self._alone = without_repeats([self.answer], [self._limit])[0]
        return self._alone

    def written(self, how: Hashable, write: Callable[[], bytes]) -> bytes:
        """Return its items as they were written in this way before, else write them. There are but a few ways."""
        found = self._written.get(how)
        if found is None:
            found = self._written[how] = write()
        return found


class GivenLists:
    """The lists given most recently, bounded by their products in all."""

    def __init__(self, items_max: int = ITEMS_MAX) -> None:
        """Start without any."""
        self._items_max = items_max
        self._items = 0
        self._policy: object = None
        self._kept: OrderedDict[Hashable, Given] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def under(self, policy: object) -> "GivenLists":
        """Return the lists; those made under another policy are gone."""
        if policy is not self._policy:
            self._policy = policy
            self.forget()
        return self

    def forget(self) -> None:
        """Let go of all."""
        self._kept.clear()
        self._items = 0

    def find(self, key: Hashable) -> Given | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: Hashable, given: Given) -> None:
        """Keep a list that was not found; those not asked for longest go."""
        self._kept[key] = given
        self._items += _size(given)
        while self._items > self._items_max:
            _, gone = self._kept.popitem(last=False)
            self._items -= _size(gone)


def key_of(request: Request, version: int, rules: Hashable = (), capped: frozenset[str] = frozenset()) -> Hashable:
    """Return everything that a list depends on besides model, shelf and policy.

    `version` is 0 where no history is used; `rules` are those in force, `capped` what steps back.
    """
    context = request.context
    return (
        request.placement,
        version,
        context.items,
        context.store_id,
        context.channel,
        _part_of_time(context.now),
        request.limit,
        request.spare,
        request.filters,
        request.customer_age,
        request.personalized,
        request.language,
        request.diversity,
        request.segments if request.personalized else (),
        rules,
        capped,
    )


def _part_of_time(now: datetime) -> int:
    return int(now.timestamp()) // MOMENT_SECONDS


def _size(given: Given) -> int:
    # An empty list takes room as well.
    return len(given.answer.items) + 1
