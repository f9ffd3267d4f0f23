"""The ways out of the house: a file outbox, and e-mail by SMTP.

Each takes a batch again under the same ids after a crash. The file channel writes a batch's file whole and under
a name of its own, so that a repeat replaces it: one line per message id, always. A mail server may have taken a
message whose record was lost; it goes out again under the same Message-ID, by which mailboxes recognise it.
"""

import asyncio
import os
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path
from typing import Literal, Protocol
from uuid import UUID

import orjson
import structlog
from pydantic import SecretStr

from services.campaign.rendering import Text
from shared.identity import InvalidIdentifier, normalise

SMTP_SECONDS = 20.0

_CLOSING = 421
_FOR_GOOD_MIN = 500
_ENCODED_WORD = "=?"
"""How a header spells other characters: `=?utf-8?q?a=2Cb?=@shop.example` would be read as two addresses."""

log = structlog.get_logger()


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
        mails, refused = self._written(messages)
        if not mails:
            return Delivery(refused)
        again = set(mails)
        try:
            with self._connected() as connection:
                self._sign_in(connection)
                for message_id, reason in _answered(connection, mails):
                    again.discard(message_id)
                    if reason is not None:
                        refused[message_id] = reason
        except (OSError, smtplib.SMTPException) as gone:
            # What was not answered for is tried again, under the same Message-ID.
            log.warning("campaign.mail_server_away", reason=type(gone).__name__, waiting=len(again))
        return Delivery(refused, frozenset(again))

    def _written(self, messages: Sequence[Ready]) -> tuple[dict[UUID, EmailMessage], dict[UUID, str]]:
        """Return the e-mails by message id, and why the others are none."""
        mails: dict[UUID, EmailMessage] = {}
        refused: dict[UUID, str] = {}
        for message in messages:
            try:
                mails[message.message_id] = self._mail(message)
            except _BadAddress:
                refused[message.message_id] = "bad_address"
        return mails, refused

    def _connected(self) -> smtplib.SMTP:
        server = self.server
        if server.security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(server.host, server.port, timeout=SMTP_SECONDS, context=context)
        return smtplib.SMTP(server.host, server.port, timeout=SMTP_SECONDS)

    def _sign_in(self, connection: smtplib.SMTP) -> None:
        """Greet here, too: a server that refuses the greeting is not to refuse each message for good."""
        server = self.server
        if server.security == "starttls":
            connection.starttls(context=ssl.create_default_context())
        if server.user is not None and server.password is not None:
            connection.login(server.user, server.password.get_secret_value())
        connection.ehlo_or_helo_if_needed()

    def _mail(self, message: Ready) -> EmailMessage:
        domain = parseaddr(self.server.sender)[1].rpartition("@")[2]
        mail = EmailMessage()
        mail["Message-ID"] = f"<{message.message_id}@{domain}>"
        mail["From"] = self.server.sender
        mail["To"] = _single(message.address or "")
        mail["Subject"] = message.text.subject
        mail.set_content(message.text.body)
        return mail


class _BadAddress(Exception):
    """Not the address of one mailbox. What a till once took down as an e-mail address may be any text."""


class _PutOff(Exception):
    """The server does not take this message now; the conversation goes on."""


def _single(address: str) -> str:
    """Return the address in its one spelling; raise _BadAddress unless it names one mailbox."""
    try:
        normalised = normalise("email", address)
    except InvalidIdentifier as invalid:
        raise _BadAddress from invalid
    if _ENCODED_WORD in normalised:
        raise _BadAddress
    return normalised


def _answered(connection: smtplib.SMTP, mails: Mapping[UUID, EmailMessage]) -> Iterator[tuple[UUID, str | None]]:
    """Hand over one by one; yield the id of each message that is settled, and why it is refused, if it is."""
    for message_id, mail in mails.items():
        with suppress(_PutOff):
            yield message_id, _handed_over(connection, mail)


def _handed_over(connection: smtplib.SMTP, mail: EmailMessage) -> str | None:
    """Return why the server refuses this message for good, None when it took it.

    Raises _PutOff where the server says to try this message later, SMTPException when it ends the conversation.
    """
    try:
        connection.send_message(mail)
    except smtplib.SMTPNotSupportedError:
        return "address_unsupported"
    except smtplib.SMTPRecipientsRefused as answer:
        code, reason = max(code for code, _ in answer.recipients.values()), "recipient_refused"
    except smtplib.SMTPResponseException as answer:
        code, reason = answer.smtp_code, "refused_by_server"
    else:
        return None
    if code == _CLOSING:
        raise smtplib.SMTPServerDisconnected("the server closes")
    # The library leaves a message open whose DATA was refused; the next one would be refused for it.
    connection.rset()
    if code < _FOR_GOOD_MIN:
        raise _PutOff
    return reason
