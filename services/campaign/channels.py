"""The ways out of the house: a file outbox, and e-mail by SMTP.

Each takes a batch again under the same ids after a crash. The file channel writes a batch's file whole and under
a name of its own, so that a repeat replaces it: one line per message id, always. A mail server may have taken a
message whose record was lost; it goes out again under the same Message-ID, by which mailboxes recognise it.
"""

import asyncio
import os
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from typing import Literal, Protocol
from uuid import UUID

import orjson
from pydantic import SecretStr

from services.campaign.rendering import Text

SMTP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Ready:
    """A message ready to go: `address` only where the channel needs one."""

    message_id: UUID
    campaign_id: UUID
    customer_id: UUID
    text: Text
    code: str | None
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a batch: refused for good with a reason, or to be tried again. The rest was sent."""

    refused: Mapping[UUID, str] = field(default_factory=dict)
    again: frozenset[UUID] = frozenset()


class Channel(Protocol):
    """One way out."""

    @property
    def needs_address(self) -> bool:
        """Whether a message needs an address to go this way."""
        ...

    async def send(self, batch: int, messages: Sequence[Ready]) -> Delivery:
        """Send a batch of one campaign; the same batch may come again."""
        ...


@dataclass(frozen=True, slots=True)
class FileOutbox:
    """Writes `FOLDER/<campaign>-<batch>.ndjson`, one JSON object per message."""

    folder: Path
    needs_address: bool = False

    async def send(self, batch: int, messages: Sequence[Ready]) -> Delivery:
        if messages:
            await asyncio.to_thread(self._write, batch, messages)
        return Delivery()

    def _write(self, batch: int, messages: Sequence[Ready]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{messages[0].campaign_id}-{batch:08d}.ndjson"
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.writelines(_line(message) for message in messages)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        # The name is durable only once its folder is.
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _line(message: Ready) -> bytes:
    document = {
        "message_id": str(message.message_id),
        "campaign_id": str(message.campaign_id),
        "customer_id": str(message.customer_id),
        "code": message.code,
        "subject": message.text.subject,
        "body": message.text.body,
    }
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where and how e-mail is handed over."""

    host: str
    port: int
    sender: str
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Mail:
    """Hands e-mails to a mail server, one connection per batch."""

    server: MailServer
    needs_address: bool = True

    async def send(self, batch: int, messages: Sequence[Ready]) -> Delivery:  # noqa: ARG002 - ids are the messages' own
        return await asyncio.to_thread(self._send, messages)

    def _send(self, messages: Sequence[Ready]) -> Delivery:
        waiting = {message.message_id for message in messages}
        refused: dict[UUID, str] = {}
        try:
            with self._connection() as connection:
                for message in messages:
                    reason = _handed_over(connection, self._mail(message))
                    if reason is not None:
                        refused[message.message_id] = reason
                    waiting.discard(message.message_id)
        except (OSError, smtplib.SMTPException):
            # The connection is gone: what was not answered for is tried again, under the same Message-ID.
            return Delivery(refused, frozenset(waiting))
        return Delivery(refused)

    def _connection(self) -> smtplib.SMTP:
        server = self.server
        if server.security == "tls":
            context = ssl.create_default_context()
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=SMTP_SECONDS, context=context
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=SMTP_SECONDS)
        if server.security == "starttls":
            connection.starttls(context=ssl.create_default_context())
        if server.user is not None and server.password is not None:
            connection.login(server.user, server.password.get_secret_value())
        return connection

    def _mail(self, message: Ready) -> EmailMessage:
        domain = parseaddr(self.server.sender)[1].rpartition("@")[2]
        mail = EmailMessage()
        mail["Message-ID"] = f"<{message.message_id}@{domain}>"
        mail["From"] = self.server.sender
        mail["To"] = message.address or ""
        mail["Subject"] = message.text.subject
        mail.set_content(message.text.body)
        return mail


def _handed_over(connection: smtplib.SMTP, mail: EmailMessage) -> str | None:
    """Return why the server refuses this message for good, None when it took it.

    Raises SMTPException for whatever may pass: the connection is closed, or an answer in the 400s.
    """
    try:
        connection.send_message(mail)
    except smtplib.SMTPRecipientsRefused as refused:
        code = max(answer[0] for answer in refused.recipients.values())
        if code < 500:
            raise
        return "recipient_refused"
    except smtplib.SMTPResponseException as answer:
        if answer.smtp_code < 500:
            raise
        return "refused_by_server"
    return None
