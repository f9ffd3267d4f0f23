"""The metadata probe against servers that are no brokers."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from regulars.embedded.metadata import answers, broker_count
from regulars.ports import HOST, free_port


@contextmanager
def _server(answer: bytes) -> Iterator[int]:
    """A server that answers its first request with these bytes and hangs up."""
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(5)


def _metadata(correlation_id: int, brokers: int) -> bytes:
    body = struct.pack(">iii", correlation_id, 0, brokers)
    return struct.pack(">i", len(body)) + body


def test_brokers_are_counted() -> None:
    with _server(_metadata(1, 3)) as port:
        assert broker_count(HOST, port) == 3


def test_a_broker_that_knows_no_broker_yet_does_not_count() -> None:
    with _server(_metadata(1, 0)) as port:
        assert not answers(HOST, port)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak Kafka's protocol"),
        (_metadata(7, 1), "answered another request"),
        (_metadata(1, 1)[:10], "closed in mid-answer"),
        (b"", "closed in mid-answer"),
    ],
)
def test_other_servers_are_recognised(answer: bytes, reason: str) -> None:
    with _server(answer) as port, pytest.raises(OSError, match=reason):
        broker_count(HOST, port)


def test_a_closed_port_does_not_answer() -> None:
    assert not answers(HOST, free_port(), 0.5)
