"""E-mail through a real SMTP conversation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from uuid import UUID, uuid4

import pytest

from services.campaign.channels import Mail, MailServer, Ready
from services.campaign.rendering import Text

CAMPAIGN = uuid4()


@dataclass
class Server:
    """As much of a mail server as a conversation needs; `answer` decides on each recipient."""

    answer: Callable[[str], str] = lambda _: "250 ok"
    hangs_up_after: int | None = None
    mails: list[Message] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip().upper():
            if line.startswith("RCPT"):
                reply = self.answer(line)
            elif line == "DATA":
                writer.write(b"354 go on\r\n")
                self.mails.append(message_from_bytes((await reader.readuntil(b"\r\n.\r\n"))[:-5]))
                if len(self.mails) == self.hangs_up_after:
                    break
                reply = "250 taken"
            else:
                reply = "221 bye" if line == "QUIT" else "250 ok"
            writer.write(f"{reply}\r\n".encode())
        writer.close()


@asynccontextmanager
async def mail_to(server: Server) -> AsyncIterator[Mail]:
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield Mail(MailServer("127.0.0.1", port, "Shop <news@shop.example>", security="none"))


def ready(number: int) -> Ready:
    text = Text("Für Sie", f"code {number}")
    return Ready(UUID(int=number), CAMPAIGN, uuid4(), text, f"CODE-{number}", f"person{number}@mail.example")


async def test_a_message_carries_its_own_id_and_its_text() -> None:
    server = Server()
    async with mail_to(server) as mail:
        delivery = await mail.send(1, [ready(1), ready(2)])
    assert (dict(delivery.refused), delivery.again) == ({}, frozenset())
    assert [each["Message-ID"] for each in server.mails] == [
        f"<{UUID(int=number)}@shop.example>" for number in (1, 2)
    ]
    assert server.mails[0].get_payload(decode=True) == b"code 1"


async def test_a_refused_recipient_fails_alone() -> None:
    server = Server(answer=lambda line: "550 unknown" if "PERSON2" in line else "250 ok")
    async with mail_to(server) as mail:
        delivery = await mail.send(1, [ready(1), ready(2), ready(3)])
    assert dict(delivery.refused) == {UUID(int=2): "recipient_refused"}
    assert delivery.again == frozenset()
    assert len(server.mails) == 2


async def test_a_broken_conversation_leaves_the_unanswered_to_be_tried_again() -> None:
    server = Server(hangs_up_after=2)
    async with mail_to(server) as mail:
        delivery = await mail.send(1, [ready(1), ready(2), ready(3)])
    assert delivery.again == {UUID(int=2), UUID(int=3)}


@pytest.mark.parametrize("answer", ["450 busy", "451 later"])
async def test_a_temporary_refusal_is_tried_again(answer: str) -> None:
    async with mail_to(Server(answer=lambda _: answer)) as mail:
        delivery = await mail.send(1, [ready(1)])
    assert delivery.again == {UUID(int=1)}


async def test_a_server_that_is_away_leaves_everything_to_be_tried_again() -> None:
    mail = Mail(MailServer("127.0.0.1", 1, "news@shop.example", security="none"))
    delivery = await mail.send(1, [ready(1)])
    assert delivery.again == {UUID(int=1)}
