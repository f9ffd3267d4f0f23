"""What a file held and could not be read, kept together with how it was read, so that it can be read again.

Once its cells are corrected, or the cause was mended, it becomes the item that its line would have become.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from services.ingest.domain.cells import CellRules
from services.ingest.domain.faults import Refused
from services.ingest.drafts import Context, Draft, Item
from services.ingest.mapping.files import poslog
from services.ingest.mapping.files.baskets import baskets
from services.ingest.mapping.files.columns import KINDS, Kind, plan_for
from services.ingest.mapping.files.items import Entry, RowReader
from services.ingest.mapping.files.rows import Row, UnreadableFile
from services.ingest.mapping.reading import Drafting, as_object, pointer, read, written
from services.ingest.schemas.imports import Kind as KindName
from services.ingest.schemas.imports import ReadingIn

LINES_MAX = 100_000
_SAID = frozenset({"file", "content"})
_NOT_OF_A_LINE = {"format", "encoding", "delimiter", "source", "until", "as_of"}


class FileTold(BaseModel):
    """Of which kind of file something is, how that is read, and which lines of it these are."""

    model_config = ConfigDict(extra="forbid")

    kind: KindName
    reading: ReadingIn = Field(default_factory=ReadingIn)
    lines: list[int] = Field(default_factory=list, max_length=LINES_MAX)
    own: dict[str, str] = Field(default_factory=dict, max_length=2)
    """The number or time that the file gives to the item."""


def told(kind: str, reading: ReadingIn) -> dict[str, Any]:
    """Return what of a file's reading its lines need: of what was said, what is not as ever."""
    said = reading.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_OF_A_LINE)
    return {"kind": kind, "reading": said}


def kept(entry: Entry, file: Mapping[str, Any], own: Mapping[str, str]) -> bytes:
    """Return an unreadable entry as it is kept: its cells, or its XML, and how they were read."""
    about = {**file, "lines": entry.lines, "own": own}
    return orjson.dumps({"file": about, "content": orjson.Fragment(entry.original)})


def is_of_a_file(item: Mapping[str, Any]) -> bool:
    return item.keys() == _SAID


def or_of_a_file(drafting: Drafting) -> Drafting:
    """Return a drafting that also takes what `kept` wrote, and says what that is as its route's item."""

    def draft(item: Item) -> Draft:
        if not is_of_a_file(item.fields):
            return drafting(item)
        fields = item_of(item.fields, item.context)
        return drafting(Item(item.place, fields, written(fields), item.context))

    return draft


def item_of(kept_item: Mapping[str, Any], context: Context) -> Mapping[str, Any]:
    """Read what was kept. Raises Refused, naming the cell."""
    file = read(FileTold, as_object(kept_item["file"]), "/file")
    entry = _read(kept_item["content"], file, context)
    if entry.item is None:
        assert entry.fault is not None
        raise Refused(entry.fault.code, entry.fault.message, _cell(entry, kept_item["content"]))
    numbered = "message_id" in entry.item or "occurred_at" in entry.item
    return entry.item if numbered else {**entry.item, **file.own}


def _read(content: object, file: FileTold, context: Context) -> Entry:
    kind, reading = KINDS[file.kind], file.reading
    rules = CellRules(
        currency=reading.currency or context.currency,
        zone=reading.zone(context.time_zone),
        decimal=reading.decimal,
        dates=reading.date_format,
    )
    if isinstance(content, Mapping) and "poslog" in content:
        return _transaction(content["poslog"], rules)
    rows = _rows(content, file.lines)
    if kind.name == "receipts":
        currency = {} if reading.currency is None else {"currency": reading.currency}
        return Entry((rows[0].line,), b"", item={**currency, **rows[0].cells})
    reader = _row_reader(kind, rules, rows, reading)
    if kind.name != "receipt_lines":
        return reader.entry(rows[0])
    return _only(list(baskets(lambda: iter(rows), len(rows), reader, None)))


def _rows(content: object, lines: Sequence[int]) -> list[Row]:
    """Return what was kept as rows: one's cells, or several's."""
    found = content if isinstance(content, list) else [content]
    numbers = [*lines, *range(len(lines) + 1, len(found) + 1)]
    if not 0 < len(found) <= LINES_MAX or not all(isinstance(cells, Mapping) for cells in found):
        raise Refused("invalid_field", "is neither the cells of a line by column, nor a list of those", "/content")
    return [Row(line, cells) for line, cells in zip(numbers, found, strict=False)]


def _row_reader(kind: Kind, rules: CellRules, rows: Sequence[Row], reading: ReadingIn) -> RowReader:
    columns = list(dict.fromkeys(column for row in rows for column in row.cells))
    return RowReader(kind, rules, plan_for(kind, columns, reading.mapping), reading.mapping, reading.provider)


def _transaction(text: object, rules: CellRules) -> Entry:
    if not isinstance(text, str):
        raise Refused("invalid_field", "is not the XML of a transaction", "/content/poslog")
    try:
        return _only(list(poslog.entries(io.BytesIO(text.encode("utf-8", "replace")), rules)))
    except UnreadableFile as error:
        raise Refused("invalid_field", str(error), "/content/poslog") from None


def _only(entries: Sequence[Entry]) -> Entry:
    if len(entries) != 1:
        raise Refused("invalid_item", f"holds {len(entries)} receipts; correct it so that it is one", "/content")
    return entries[0]


def _cell(entry: Entry, content: object) -> str:
    """Return where the cell stands that a fault is of."""
    assert entry.fault is not None
    column = entry.column_of(entry.fault.field)
    if isinstance(content, Mapping) and "poslog" in content:
        return "/content/poslog" + (entry.fault.field or "")
    line = [entry.place] if isinstance(content, list) else []
    return pointer(["content", *line, *([] if column is None else [column])])
