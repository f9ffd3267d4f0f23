"""Asks a broker for its metadata over a bare socket: the proof that it serves Kafka's protocol."""

import contextlib
import socket
import struct
import subprocess
import time
from pathlib import Path

from regulars import processes
from regulars.errors import StartFailed

# Metadata, version 4: the newest that needs no tagged fields and that Kafka 4 and Tansu both answer.
_API_KEY = 3
_API_VERSION = 4
_CLIENT_ID = b"regulars"
_ANSWER_BYTES_MAX = 10_000_000
_POLL_SECONDS = 0.05


def broker_count(host: str, port: int, timeout_seconds: float = 2.0) -> int:
    """Count the brokers that the metadata answer lists. Raises OSError when none comes in time."""
    with socket.create_connection((host, port), timeout=timeout_seconds) as connection:
        connection.sendall(_request())
        size = struct.unpack(">i", _exactly(connection, 4))[0]
        if not 12 <= size <= _ANSWER_BYTES_MAX:
            raise OSError(f"{host}:{port} does not speak Kafka's protocol")
        answer = _exactly(connection, size)
    # correlation id, throttle time, number of brokers
    correlation_id, _, brokers = struct.unpack_from(">iii", answer)
    if correlation_id != 1:
        raise OSError(f"{host}:{port} answered another request")
    return max(int(brokers), 0)


def answers(host: str, port: int, timeout_seconds: float = 2.0) -> bool:
    """Tell whether a broker there lists at least itself."""
    try:
        return broker_count(host, port, timeout_seconds) > 0
    except OSError:
        return False


def wait_until_answering(
    process: subprocess.Popen[bytes], host: str, port: int, *, seconds: float, log_file: Path
) -> None:
    """Wait for a started broker to answer. Raises StartFailed when it ends first or takes too long."""
    deadline = time.monotonic() + seconds
    while not answers(host, port):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
            raise StartFailed(f"the broker ended while starting:\n{processes.log_tail(log_file)}")
        if time.monotonic() > deadline:
            processes.end(process)
            raise StartFailed(f"the broker did not answer within {seconds:.0f} s; its log is {log_file}")


def _request() -> bytes:
    header = struct.pack(">hhih", _API_KEY, _API_VERSION, 1, len(_CLIENT_ID)) + _CLIENT_ID
    no_topics_no_creation = struct.pack(">i?", 0, False)
    body = header + no_topics_no_creation
    return struct.pack(">i", len(body)) + body


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise OSError("the connection was closed in mid-answer")
        received += part
    return bytes(received)
