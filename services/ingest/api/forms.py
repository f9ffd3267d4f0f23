"""A file that comes in a form (`multipart/form-data`), as browsers send it: the fields first, then the one file.

The file is passed on as it comes. Nothing of it is kept in memory or written down in the clear, as a form that is
read whole would be.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from services.ingest.errors import UnreadableImport

FIELDS_MAX = 20
FIELD_BYTES_MAX = 20_000
HEAD_BYTES_MAX = 1_000_000
"""All that may come before the file."""
HEADER_BYTES_MAX = 4_224
HEADERS_MAX = 8

_ORDER = "put the file last in the form, behind its fields, or the fields into the address"


@dataclass(frozen=True, slots=True)
class Part:
    """The head of a part; only a file's has a filename, which may be empty."""

    name: str
    filename: str | None


Event = Part | bytes | None
"""A part's head, then its content in pieces, then None."""


@dataclass(frozen=True, slots=True)
class FileForm:
    """A form that has been read as far as its file."""

    fields: dict[str, str]
    file_name: str
    events: AsyncIterator[Event]

    @classmethod
    async def opened(cls, content_type: str, parts: AsyncIterator[bytes]) -> "FileForm":
        """Read the fields. Raises UnreadableImport where they, or the form, are broken, or no file follows."""
        head = _Head(parts)
        events = _events(content_type, head)
        fields: dict[str, str] = {}
        async for event in events:
            assert isinstance(event, Part)
            if event.filename is not None:
                if not event.filename:
                    raise UnreadableImport("no file was chosen", field="file")
                head.is_over = True
                return cls(fields, event.filename, events)
            if event.name in fields:
                raise UnreadableImport("stands in the form twice; send it once", field=event.name)
            fields[event.name] = await _value(event.name, events)
        raise UnreadableImport("the form holds no file; send one as `curl -F file=@FILE` does", field="file")

    async def file(self) -> AsyncIterator[bytes]:
        """Yield the file's content. Raises UnreadableImport where anything but the form's end follows it."""
        async for event in self.events:
            if event is None:
                break
            assert isinstance(event, bytes)
            yield event
        async for event in self.events:
            assert isinstance(event, Part)
            if event.filename is not None:
                raise UnreadableImport("the form holds two files; send one at a time", field=event.name)
            raise UnreadableImport(f"comes after the file; {_ORDER}", field=event.name)


class _Head:
    """Passes a body on, and ends one whose file does not begin soon."""

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts
        self.is_over = False

    async def pieces(self) -> AsyncIterator[bytes]:
        passed = 0
        async for part in self._parts:
            yield part
            # Asked after the part was parsed: the file may begin in it.
            passed += len(part)
            if not self.is_over and passed > HEAD_BYTES_MAX:
                late = f"no file begins in the form's first {HEAD_BYTES_MAX} bytes; {_ORDER}"
                raise UnreadableImport(late, field="file")


async def _events(content_type: str, head: _Head) -> AsyncIterator[Event]:
    _, options = parse_options_header(content_type)
    try:
        parser = PushMultipartParser(
            options.get("boundary", ""),
            max_header_size=HEADER_BYTES_MAX,
            max_header_count=HEADERS_MAX,
            max_segment_count=FIELDS_MAX + 2,
        )
        async for part in head.pieces():
            if part:
                for event in parser.parse(part):
                    yield _event_of(event)
        parser.close()
    except MultipartError as broken:
        raise UnreadableImport(
            f"the form is broken: {broken}; send the file as `curl -F file=@FILE` does, or itself as the body"
        ) from None


def _event_of(event: Any) -> Event:  # noqa: ANN401 (the library has no types)
    if isinstance(event, MultipartSegment):
        return Part(event.name or "", event.filename)
    return None if event is None else bytes(event)


async def _value(name: str, events: AsyncIterator[Event]) -> str:
    value = bytearray()
    async for event in events:
        if event is None:
            break
        assert isinstance(event, bytes)
        value += event
        if len(value) > FIELD_BYTES_MAX:
            long = f"is longer than {FIELD_BYTES_MAX} bytes; is it the file, without a filename?"
            raise UnreadableImport(long, field=name)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise UnreadableImport("is not UTF-8; a page says so by <meta charset=utf-8>", field=name) from None
