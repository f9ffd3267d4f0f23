"""What is built for hours is kept out of every later search, and searching goes on after it."""

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator

import pytest

from shared import garbage


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


class Node:
    """Something that can refer to itself."""

    def __init__(self) -> None:
        self.itself = self


def test_settling_puts_what_is_there_out_of_reach_of_later_searches() -> None:
    garbage.settle()
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] == garbage.YOUNG_OBJECTS


@pytest.mark.parametrize("then", [lambda: None, garbage.answer_evenly])
def test_a_cycle_made_after_settling_is_still_found(then: Callable[[], None]) -> None:
    garbage.settle()
    then()
    node = Node()
    seen = weakref.ref(node)
    del node
    gc.collect()
    assert seen() is None


async def test_nothing_is_searched_while_building_and_what_was_built_is_kept_out() -> None:
    seen: dict[str, object] = {}

    def build(size: int) -> list[Node]:
        seen.update(searched=gc.isenabled(), switch=sys.getswitchinterval(), thread=threading.current_thread())
        return [Node() for _ in range(size)]

    usual = sys.getswitchinterval()
    before = gc.get_freeze_count()
    built = await garbage.built(build, 1_000)
    assert len(built) == 1_000
    assert seen["searched"] is False
    assert seen["switch"] == pytest.approx(garbage.SWITCH_SECONDS)
    assert sys.getswitchinterval() == usual
    assert seen["thread"] is not threading.main_thread()
    assert gc.get_freeze_count() >= before + 1_000
    assert gc.isenabled()


def test_an_api_of_milliseconds_searches_less_at_a_time() -> None:
    garbage.settle()
    garbage.answer_evenly()
    young, older, everything = gc.get_threshold()
    assert young * (older + 1) <= garbage.YOUNG_OBJECTS / 4
    assert young * everything >= 1_000_000


async def test_what_is_done_beside_answers_gives_way_and_is_searched_as_ever() -> None:
    seen: dict[str, object] = {}

    def work() -> None:
        seen.update(searched=gc.isenabled(), switch=sys.getswitchinterval(), thread=threading.current_thread())

    usual = sys.getswitchinterval()
    await garbage.beside(work)
    assert seen["searched"] is True
    assert seen["switch"] == pytest.approx(garbage.SWITCH_SECONDS)
    assert sys.getswitchinterval() == usual
    assert seen["thread"] is not threading.main_thread()


async def test_a_build_that_fails_leaves_searching_on() -> None:
    def build() -> None:
        raise ValueError("no such model")

    with pytest.raises(ValueError, match="no such model"):
        await garbage.built(build)
    assert gc.isenabled()
