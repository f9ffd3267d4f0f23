"""How a service's process collects garbage: seldom, and never through what lives as long as the process.

Python looks for cycles after every 700 objects that stay. A batch of receipts is tens of thousands, all needed and
without a cycle: the search then takes two thirds of the time of decoding. Its longest form walks through every
object of the process, libraries and models included, and answers wait meanwhile.
"""

import asyncio
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

YOUNG_OBJECTS = 20_000
"""How many more objects may stay before the youngest are searched."""
YOUNG_BETWEEN_ANSWERS = 2_000
OLDER_BETWEEN_ANSWERS = 1
ALL_BETWEEN_ANSWERS = 1_000
"""Of an API whose answers take milliseconds: 20,000 objects at once may be 20 ms, where others use the caches."""
SWITCH_SECONDS = 0.0005
"""How long a thread that builds may hold the interpreter while an answer waits for it; Python's own 5 ms add up."""


def settle() -> None:
    """Call once, when the process has loaded what it needs for ever."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def answer_evenly() -> None:
    """Call after `settle` where everybody waits for milliseconds: search less at a time, and all next to never.

    What is kept for long must then be few objects, or be taken out of the search by `built`.
    """
    gc.set_threshold(YOUNG_BETWEEN_ANSWERS, OLDER_BETWEEN_ANSWERS, ALL_BETWEEN_ANSWERS)


@contextmanager
def _giving_way() -> Iterator[None]:
    """Have threads give the interpreter back soon, inside the block."""
    usual_seconds = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual_seconds)


async def beside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do in a thread what is soon to be forgotten, or what is small, while answers are given; one at a time."""
    with _giving_way():
        return await asyncio.to_thread(work, *args, **kwargs)


async def built(build: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Build in a thread what is going to live for hours, and never look for garbage in it.

    Only one at a time: what others leave meanwhile is kept too. What was garbage before is taken away first: the
    process stands still for it, so whatever is not needed any more should be let go before.
    """
    gc.collect()
    gc.disable()
    try:
        found = await beside(build, *args, **kwargs)
        gc.freeze()
        return found
    finally:
        gc.enable()
