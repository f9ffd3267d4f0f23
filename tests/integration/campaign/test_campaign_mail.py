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
from tests.integration.campaign.world import DAY, World

CAMPAIGN = uuid4()


@dataclass
class Server:
    """As much of a mail server as a conversation needs; `answer` decides on each command after the greeting."""

    answer: Callable[[str], str] = lambda _: "250 ok"
    hangs_up_after: int | None = None
    mails: list[Message] = field(default_factory=list)
    visits: int = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.write(b"220 here\r\n")
        is_open = False
        while line := (await reader.readline()).decode().strip().upper():
            reply = "503 one at a time" if is_open and line.startswith("MAIL") else self.answer(line)
            if line.startswith(("MAIL", "RSET")):
                is_open = line.startswith("MAIL")
            if line == "DATA" and reply.startswith("2"):
                writer.write(b"354 go on\r\n")
                self.mails.append(message_from_bytes((await reader.readuntil(b"\r\n.\r\n"))[:-5]))
                is_open = False
                if len(self.mails) == self.hangs_up_after:
                    break
            writer.write(f"{'221 bye' if line == 'QUIT' else reply}\r\n".encode())
            if reply.startswith("421"):
                break
        writer.close()

    @property
    def recipients(self) -> list[str]:
        return [mail["To"] for mail in self.mails]


@asynccontextmanager
async def mail_to(server: Server) -> AsyncIterator[Mail]:
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield Mail(MailServer("127.0.0.1", port, "Shop <news@shop.example>", security="none"))


def ready(number: int, address: str | None = None) -> Ready:
    text = Text("Für Sie", f"code {number}")
    address = f"person{number}@mail.example" if address is None else address
    return Ready(UUID(int=number), CAMPAIGN, uuid4(), text, f"CODE-{number}", address)


def on_recipient(name: str, reply: str) -> Callable[[str], str]:
    """Answer a command that names somebody; say yes to everything else."""
    return lambda line: reply if name in line else "250 ok"


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
    server = Server(on_recipient("PERSON2", "550 unknown"))
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


NO_ADDRESSES = [
    *("", "a@", "@mail.example", "nobody", "a b@mail.example", "null@mail.example", "=?utf-8?q?a=2Cb?=@mail.example"),
    *("one@mail.example, two@mail.example", "One <one@mail.example>", "a@mail.example\nBcc: all@mail.example"),
]


@pytest.mark.parametrize("address", NO_ADDRESSES)
async def test_what_is_no_single_address_is_refused_alone(address: str) -> None:
    server = Server()
    async with mail_to(server) as mail:
        delivery = await mail.send(1, [ready(1), ready(2, address), ready(3)])
    assert dict(delivery.refused) == {UUID(int=2): "bad_address"}
    assert delivery.again == frozenset()
    assert server.recipients == ["person1@mail.example", "person3@mail.example"]


async def test_an_address_goes_out_as_it_was_checked() -> None:
    server = Server()
    async with mail_to(server) as mail:
        delivery = await mail.send(1, [ready(1, " Ann@Mail.example\n"), ready(2, "o'neil+news=1%x@mail.example")])
    assert (dict(delivery.refused), delivery.again) == ({}, frozenset())
    assert server.recipients == ["ann@mail.example", "o'neil+news=1%x@mail.example"]


async def test_without_anything_to_send_no_server_is_asked() -> None:
    server = Server()
    async with mail_to(server) as mail:
        delivery = await mail.send(1, [ready(1, "a@")])
        assert await mail.send(2, []) == type(delivery)()
    assert dict(delivery.refused) == {UUID(int=1): "bad_address"}
    assert server.visits == 0


async def test_an_address_that_the_server_cannot_write_is_refused_alone() -> None:
    server = Server()
    async with mail_to(server) as mail:
        delivery = await mail.send(1, [ready(1, "jürgen@mail.example"), ready(2)])
    assert dict(delivery.refused) == {UUID(int=1): "address_unsupported"}
    assert delivery.again == frozenset()
    assert server.recipients == ["person2@mail.example"]


@pytest.mark.parametrize("answer", ["450 busy", "451 greylisted", "452 mailbox full"])
async def test_a_recipient_who_is_put_off_is_tried_again_alone(answer: str) -> None:
    server = Server(on_recipient("PERSON1", answer))
    async with mail_to(server) as mail:
        delivery = await mail.send(1, [ready(1), ready(2), ready(3)])
    assert delivery.again == {UUID(int=1)}
    assert dict(delivery.refused) == {}
    assert server.recipients == ["person2@mail.example", "person3@mail.example"]


@pytest.mark.parametrize("command", ["MAIL", "DATA"])
@pytest.mark.parametrize(("answer", "refused"), [("451 later", {}), ("554 no", {UUID(int=1): "refused_by_server"})])
async def test_a_message_that_is_not_taken_leaves_the_conversation_open(
    command: str, answer: str, refused: dict[UUID, str]
) -> None:
    answers = iter([answer])
    server = Server(lambda line: next(answers, "250 ok") if line.startswith(command) else "250 ok")
    async with mail_to(server) as mail:
        delivery = await mail.send(1, [ready(1), ready(2), ready(3)])
    assert dict(delivery.refused) == refused
    assert delivery.again == {UUID(int=1)} - refused.keys()
    assert server.recipients == ["person2@mail.example", "person3@mail.example"]
    assert server.visits == 1


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_closes_leaves_the_unanswered_to_be_tried_again(command: str) -> None:
    answers = iter(["250 ok", "421 closing"])
    server = Server(lambda line: next(answers) if line.startswith(command) else "250 ok")
    async with mail_to(server) as mail:
        delivery = await mail.send(1, [ready(1), ready(2), ready(3)])
    assert delivery.again == {UUID(int=2), UUID(int=3)}
    assert dict(delivery.refused) == {}
    assert server.recipients == ["person1@mail.example"]


async def test_a_server_that_does_not_greet_back_refuses_nobody_for_good() -> None:
    server = Server(lambda line: "550 who are you" if line.startswith(("EHLO", "HELO")) else "250 ok")
    async with mail_to(server) as mail:
        delivery = await mail.send(1, [ready(1), ready(2)])
    assert delivery.again == {UUID(int=1), UUID(int=2)}


async def test_a_server_that_is_away_leaves_everything_to_be_tried_again() -> None:
    mail = Mail(MailServer("127.0.0.1", 1, "news@shop.example", security="none"))
    delivery = await mail.send(1, [ready(1)])
    assert delivery.again == {UUID(int=1)}


@pytest.mark.postgres
async def test_a_campaign_gets_past_a_bad_address_and_sends_the_rest_once(world: World) -> None:
    segment_id, customer_ids = await world.segment(4)
    addresses = ["a@", "one@mail.example, two@mail.example", "ann@mail.example", "bob@mail.example"]
    world.ingest.addresses = dict(zip(customer_ids, addresses, strict=True))
    world.allow_email()
    template = {"subject": "For you", "body": "{{ code }}"}
    plan = {"audience": {"segments_any": [segment_id]}, "holdout_share": 0, "template": template, "channel": "email"}
    campaign_id = await world.started(**plan)
    server = Server()
    async with mail_to(server) as mail:
        for _ in range(2):
            await world.sending(channels={"email": mail}).run()
            world.clock.advance(DAY)
    assert sorted(server.recipients) == ["ann@mail.example", "bob@mail.example"]
    result = (await world.client().get(f"/v1/campaigns/{campaign_id}/result")).json()
    assert result["messages"] == {"sent": 2, "failed": 2}


@pytest.mark.postgres
async def test_one_who_is_always_put_off_is_given_up_alone(world: World) -> None:
    segment_id, customer_ids = await world.segment(5)
    world.ingest.addresses = {each: f"person{n}@mail.example" for n, each in enumerate(customer_ids)}
    world.allow_email()
    template = {"subject": "For you", "body": "{{ code }}"}
    plan = {"audience": {"segments_any": [segment_id]}, "holdout_share": 0, "template": template, "channel": "email"}
    campaign_id = await world.started(**plan)
    server = Server(on_recipient("PERSON2", "451 greylisted"))
    async with mail_to(server) as mail:
        for _ in range(8):
            await world.sending(channels={"email": mail}).run()
            world.clock.advance(DAY)
    assert len(server.mails) == 4
    reasons = await world.database.fetch(
        "SELECT reason, attempts FROM messages WHERE campaign_id = $1 AND state = 'failed'", UUID(campaign_id)
    )
    assert [tuple(each) for each in reasons] == [("server_away", 8)]
