"""Which loopback ports are free."""

import random
import socket
from collections.abc import Iterable

HOST = "127.0.0.1"
BLOCK_SIZE = 30
# Below the range from which Linux and macOS hand out ports for outgoing connections.
_BLOCK_RANGE = range(18_000, 32_000, BLOCK_SIZE)


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on the loopback port now (TIME_WAIT does not count)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port() -> int:
    """Find one free port, outside the block range so that it never lies in another copy's block."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def taken_ports(ports: Iterable[int]) -> list[int]:
    return [port for port in ports if not port_is_free(port)]


def free_port_block(size: int = BLOCK_SIZE) -> int:
    """Find the first port of `size` consecutive free ones.

    The search starts at a random place, so that two copies started together rarely meet.
    Raises OSError when there is no such block.
    """
    bases = list(_BLOCK_RANGE)
    random.shuffle(bases)
    for base in bases:
        if not taken_ports(range(base, base + size)):
            return base
    raise OSError(f"no {size} consecutive free ports between {_BLOCK_RANGE.start} and {_BLOCK_RANGE.stop}")
