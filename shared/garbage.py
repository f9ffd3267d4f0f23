"""How a service's process collects garbage: seldom, and never through what lives as long as the process.

Python looks for cycles after every 700 objects that stay. A batch of receipts is tens of thousands of them, all needed
and without a cycle: the search then takes two thirds of the time of decoding. Its longest form walks through every
object of the process, libraries and models included, and answers wait meanwhile.
"""

import gc

YOUNG_OBJECTS = 20_000
"""How many more objects may stay before the youngest are searched."""


def settle() -> None:
    """Call once, when the process has loaded what it needs for ever."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def keep() -> None:
    """Never again look through what there is now: it is about to live for hours."""
    gc.freeze()
