"""How a service's process collects garbage: seldom, and never through what lives as long as the process.

Python looks for cycles after every 700 objects that stay. A batch of receipts is tens of thousands, all needed and
without a cycle: the search then takes two thirds of the time of decoding. Its longest form walks through every
object of the process, libraries and models included, and answers wait meanwhile.
"""

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

YOUNG_OBJECTS = 20_000
"""How many more objects may stay before the youngest are searched."""
SWITCH_SECONDS = 0.0005
"""How long a thread that builds may hold the interpreter while an answer waits for it; Python's own 5 ms add up."""


def settle() -> None:
    """Call once, when the process has loaded what it needs for ever."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


async def built(build: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Build in a thread what is going to live for hours, and never look for garbage in it.

    Only one at a time: what others leave meanwhile is kept too. What was garbage before is taken away first, which is
    quick, since everything built earlier is not looked at.
    """
    gc.collect()
    gc.disable()
    usual_seconds = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        found = await asyncio.to_thread(build, *args, **kwargs)
        gc.freeze()
        return found
    finally:
        sys.setswitchinterval(usual_seconds)
        gc.enable()
