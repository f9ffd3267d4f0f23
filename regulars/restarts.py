"""When a process that ended is started again, and when the embedded broker has grown too large."""

from enum import StrEnum

FIRST_DELAY_SECONDS = 0.2
DELAY_SECONDS_MAX = 10.0
# A process that ran this long was well: its next end starts the count anew.
WELL_AFTER_SECONDS = 30.0

BROKER_BYTES_WARNED = 1_000_000_000
BROKER_BYTES_MAX = 2_000_000_000


def failures_in_a_row(before: int, ran_seconds: float) -> int:
    """Count the end of a process that ran so long as one more failure, or as the first again."""
    return 1 if ran_seconds >= WELL_AFTER_SECONDS else before + 1


def restart_delay_seconds(failures: int) -> float:
    """Return the wait before the next start: at once after the first failure, doubling up to ten seconds."""
    return min(FIRST_DELAY_SECONDS * 2.0 ** min(failures - 1, 16), DELAY_SECONDS_MAX)


class MemoryVerdict(StrEnum):
    FINE = "fine"
    WARN = "warn"
    RESTART = "restart"


def broker_memory_verdict(memory_bytes: int) -> MemoryVerdict:
    """Judge the embedded broker, which never frees a record: emptying it is safe, producers keep their logs."""
    if memory_bytes > BROKER_BYTES_MAX:
        return MemoryVerdict.RESTART
    return MemoryVerdict.WARN if memory_bytes > BROKER_BYTES_WARNED else MemoryVerdict.FINE
