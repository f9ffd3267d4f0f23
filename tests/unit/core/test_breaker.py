"""A peer that does not answer is left alone for a moment, tried by one, and asked by all once it answers."""

from dataclasses import dataclass, field

from shared.breaker import Breaker


@dataclass
class Trying:
    """A breaker of three failures and a second's rest, and the clock that it goes by."""

    now: float = 10.0
    breaker: Breaker = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = Breaker(failures=3, rest_seconds=1.0, monotonic=lambda: self.now)

    def fail(self, times: int) -> None:
        for _ in range(times):
            self.breaker.failed()


def test_a_few_failures_stop_nobody() -> None:
    trying = Trying()
    trying.fail(2)
    assert trying.breaker.lets_pass()
    assert not trying.breaker.is_open


def test_an_answer_in_between_starts_the_count_anew() -> None:
    trying = Trying()
    for _ in range(5):
        trying.fail(2)
        trying.breaker.succeeded()
    assert trying.breaker.lets_pass()


def test_after_several_in_a_row_nobody_asks_until_it_has_rested() -> None:
    trying = Trying()
    trying.fail(3)
    assert [trying.breaker.lets_pass() for _ in range(3)] == [False, False, False]


def test_after_the_rest_one_tries_and_the_others_go_on_waiting() -> None:
    trying = Trying()
    trying.fail(3)
    trying.now += 1.0
    assert [trying.breaker.lets_pass() for _ in range(3)] == [True, False, False]


def test_a_try_that_fails_is_followed_by_another_rest() -> None:
    trying = Trying()
    trying.fail(3)
    trying.now += 1.0
    assert trying.breaker.lets_pass()
    trying.fail(1)
    trying.now += 0.5
    assert not trying.breaker.lets_pass()
    trying.now += 0.5
    assert trying.breaker.lets_pass()


def test_a_try_that_nobody_waits_for_any_more_does_not_close_it_for_ever() -> None:
    trying = Trying()
    trying.fail(3)
    trying.now += 1.0
    assert trying.breaker.lets_pass()  # and is cancelled: neither succeeded nor failed is said
    trying.now += 1.0
    assert trying.breaker.lets_pass()


def test_a_try_that_succeeds_lets_everybody_in() -> None:
    trying = Trying()
    trying.fail(3)
    trying.now += 1.0
    assert trying.breaker.lets_pass()
    trying.breaker.succeeded()
    assert [trying.breaker.lets_pass() for _ in range(3)] == [True, True, True]
