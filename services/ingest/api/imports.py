"""`/v1/imports`: files of customers, receipts and catalogue, worked off in the background."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from services.ingest.api.dependencies import IngestDep, Reader, Writer
from services.ingest.api.forms import FileForm
from services.ingest.errors import UnreadableImport, UploadStalled
from services.ingest.handlers.files.importing import Imports, Preview
from services.ingest.schemas.imports import (
    DELIMITER,
    FILES,
    ColumnOut,
    FileName,
    Format,
    ImportMade,
    ImportOut,
    Kind,
    PreviewOut,
    ProgressOut,
    ReadingIn,
    RefusedLineOut,
    RowOut,
    State,
)
from services.ingest.store import imports as store
from services.ingest.store.imports import ImportRow
from shared.errors import field_error
from shared.http.body import Router
from shared.http.pagination import Page, PageCursor, PageLimit, decode_cursor, next_cursor

router = APIRouter(tags=["imports"])
steering = Router(tags=["imports"])

PART_WAIT_SECONDS = 30.0
_POSITION = TypeAdapter(tuple[datetime, UUID])
_REPORT_HEADER = ("line_number", "field", "reason", "status", "code", "column", "message_id")
_EXAMPLE = "product_id,name,brand\nP100,Shredded cheddar,Dairyland\n"
_FORM_FIELDS = ("kind", "name", "preview", *ReadingIn.model_fields)
_FILE = {
    "requestBody": {
        "required": True,
        "description": "the file itself, up to 1 GB, or a form with it: it is streamed, and kept sealed until the"
        " import ends. A form has the fields that the address may have, and then the file, as its last part",
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}, "example": _EXAMPLE},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        **{field: {"type": "string"} for field in _FORM_FIELDS},
                        "file": {"type": "string", "format": "binary"},
                    },
                },
                "example": {"kind": "products", "file": _EXAMPLE},
            },
        },
    }
}


async def imports_of(ingest: IngestDep) -> Imports:
    return ingest.imports


ImportsDep = Annotated[Imports, Depends(imports_of)]
ImportId = Annotated[UUID, Path(description="as `POST /v1/imports` gave it")]


def said_of(  # noqa: PLR0913, PLR0917 (query parameters, each with its own document)
    file_format: Annotated[
        Format | None, Query(alias="format", description="left out: by the end of the file's name")
    ] = None,
    encoding: Annotated[str | None, Query(max_length=40, description="left out: detected")] = None,
    delimiter: Annotated[str | None, Query(pattern=DELIMITER, description="left out: detected")] = None,
    decimal: Annotated[
        Literal[".", ","] | None, Query(description="the sign before a number's fraction; `.`")
    ] = None,
    date_format: Annotated[
        Literal["iso", "dmy", "mdy", "ymd"] | None, Query(description="order of day, month, year; never guessed; iso")
    ] = None,
    time_zone: Annotated[str | None, Query(max_length=64, description="IANA zone of times without offset")] = None,
    currency: Annotated[str | None, Query(pattern=r"^[A-Z]{3}$", description="where no column says it")] = None,
    mapping: Annotated[
        str | None, Query(max_length=20_000, description='JSON, target to column: `{"product_id": "SKU"}`')
    ] = None,
    as_of: Annotated[datetime | None, Query(description="since when what the file says is so")] = None,
    source: Annotated[
        str | None, Query(min_length=1, max_length=128, description=f"the system it comes from; {FILES}")
    ] = None,
    provider: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,40}$", description="of kind attributes")] = None,
    until: Annotated[str | None, Query(description="of kind receipt_lines: last business day, YYYY-MM-DD")] = None,
    kind: Annotated[Kind | None, Query(description="what its lines are; needed here or in the form")] = None,
    name: Annotated[
        FileName | None, Query(description="the file's name, its end tells the format; a form has it with the file")
    ] = None,
    *,
    preview: Annotated[
        bool | None, Query(description="only look at it: it waits for `:start`, a day at most")
    ] = None,
) -> dict[str, object]:
    """Gather what the address says about a file."""
    said = {
        "format": file_format,
        "encoding": encoding,
        "delimiter": delimiter,
        "decimal": decimal,
        "date_format": date_format,
        "time_zone": time_zone,
        "currency": currency,
        "mapping": mapping,
        "as_of": as_of,
        "source": source,
        "provider": provider,
        "until": until,
        "kind": kind,
        "name": name,
        "preview": preview,
    }
    return {field: value for field, value in said.items() if value is not None}


SaidDep = Annotated[dict[str, object], Depends(said_of)]


class _Told(BaseModel):
    """What a sender tells beside how the file is read."""

    model_config = ConfigDict(extra="ignore")

    kind: Kind
    name: FileName
    preview: bool = False


def _told_by(said: Mapping[str, object]) -> tuple[_Told, ReadingIn]:
    """Understand what was said about a file, in the address or in a form. Raises UnreadableImport."""
    reading = {field: value for field, value in said.items() if field not in _Told.model_fields}
    if "mapping" in reading:
        reading["mapping"] = _mapping(str(reading["mapping"]))
    try:
        return _Told.model_validate(said), ReadingIn.model_validate(reading)
    except ValidationError as error:
        errors = [field_error(str(each["loc"][0]), _reason(each)) for each in error.errors()]
        first = errors[0]
        raise UnreadableImport(f"{first['field']}: {first['message']}", errors=errors) from error


def _reason(fault: ErrorDetails) -> str:
    if fault["type"] == "extra_forbidden":
        known = ", ".join(sorted({*ReadingIn.model_fields, *_Told.model_fields}))
        return f"is no field of this form; there are {known}, and the file"
    missing = "is missing; say it in the address, or in a form before the file"
    return missing if fault["type"] == "missing" else fault["msg"]


@router.post("/v1/imports", status_code=201, openapi_extra=_FILE)
async def upload_file(  # noqa: PLR0913, PLR0917 (a route's parameters)
    request: Request, response: Response, caller: Writer, ingest: IngestDep, imports: ImportsDep, said: SaidDep
) -> ImportMade:
    """Take a file of lines, as the body or in a form; the answer comes when it is stored, the work goes on behind it.

    The same file, read in the same way, changes nothing: its first import is answered, with `is_repeat`.
    """
    body = _patiently(request.stream())
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/"):
        form = await FileForm.opened(content_type, body)
        said = {"name": form.file_name.replace("\\", "/").rpartition("/")[2], **said, **_filled_in(form)}
        body = form.file()
    told, reading = _told_by(said)
    one, is_repeat = await imports.receive(
        caller,
        kind=told.kind,
        name=told.name,
        reading=reading,
        body=body,
        waits=told.preview,
        at=ingest.clock.now(),
    )
    response.status_code = 200 if is_repeat else 201
    looked = await imports.preview(one) if one.state == "waiting" else None
    shown = shown_import(one, is_repeat=is_repeat)
    return ImportMade(**dict(shown), preview=None if looked is None else _shown_preview(looked))


def _filled_in(form: FileForm) -> dict[str, str]:
    """Return the fields that a person has filled in: an empty one says nothing."""
    return {field: value for field, value in form.fields.items() if value}


@router.get("/v1/imports")
async def list_imports(
    ingest: IngestDep,
    caller: Reader,
    state: Annotated[State | None, Query(description="left out: every state")] = None,
    limit: PageLimit = 50,
    cursor: PageCursor = None,
) -> Page[ImportOut]:
    """List imports, newest first; a key for some stores sees those that came with such a key."""
    filters = {"state": state}
    after = decode_cursor(cursor, filters, _POSITION)
    found = await store.imports_page(ingest.database, state, caller.own_store_ids, after, limit)
    items = [shown_import(one) for one in found]
    position = (found[-1].created_at, found[-1].import_id) if found else ()
    return Page(items=items, next_cursor=next_cursor(items, limit, position, filters))


@router.get("/v1/imports/{import_id}")
async def get_import(import_id: ImportId, imports: ImportsDep, caller: Reader) -> ImportOut:
    """Tell how far an import is."""
    return shown_import(await imports.seen_by(caller, import_id))


@router.get(
    "/v1/imports/{import_id}/report",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "the report"}},
)
async def report(import_id: ImportId, imports: ImportsDep, ingest: IngestDep, caller: Reader) -> StreamingResponse:
    """Give, as CSV, every line that was refused or in conflict and why, and those with an identifier left out."""
    one = await imports.seen_by(caller, import_id)
    name = f"{one.import_id}.refused.csv"
    pages = store.lines_of(ingest.database, import_id)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_written(pages), media_type="text/csv; charset=utf-8", headers=headers)


@steering.post("/v1/imports/{import_id}:preview")
async def preview_import(import_id: ImportId, reading: ReadingIn, imports: ImportsDep, caller: Writer) -> PreviewOut:
    """Look at a waiting file as it would be read in another way; nothing is changed."""
    one = await imports.seen_by(caller, import_id)
    return _shown_preview(await imports.preview(one, reading))


@steering.post("/v1/imports/{import_id}:start")
async def start_import(
    import_id: ImportId, imports: ImportsDep, ingest: IngestDep, caller: Writer, reading: ReadingIn | None = None
) -> ImportOut:
    """Let a waiting import begin; what the body says about the file replaces what was said before."""
    one = await imports.seen_by(caller, import_id)
    return shown_import(await imports.start(one, reading, ingest.clock.now()))


@router.delete("/v1/imports/{import_id}")
async def cancel_import(import_id: ImportId, imports: ImportsDep, ingest: IngestDep, caller: Writer) -> ImportOut:
    """Stop an import for good; what was accepted stays accepted."""
    one = await imports.seen_by(caller, import_id)
    return shown_import(await imports.cancel(one, ingest.clock.now()))


def shown_import(one: ImportRow, *, is_repeat: bool = False) -> ImportOut:
    return ImportOut(
        import_id=one.import_id,
        name=one.name,
        kind=cast("Kind", one.kind),
        state=cast("State", one.state),
        actor=one.actor,
        reading=ReadingIn.model_validate(one.reading),
        size_bytes=one.size_bytes,
        created_at=one.created_at,
        started_at=one.started_at,
        ended_at=one.ended_at,
        progress=_progress(one),
        failure=one.failure,
        is_repeat=is_repeat,
    )


def _progress(one: ImportRow) -> ProgressOut:
    counts = one.counts
    rate = None
    if one.started_at is not None:
        seconds = (one.changed_at - one.started_at).total_seconds()
        rate = round(counts.rows / seconds, 1) if seconds > 0 else None
    return ProgressOut(
        rows_total=one.rows_total,
        rows_read=counts.rows,
        accepted=counts.accepted,
        repeated=counts.repeated,
        conflicts=counts.conflicts,
        refused=counts.refused,
        rows_per_second=rate,
    )


def _shown_preview(looked: Preview) -> PreviewOut:
    return PreviewOut(
        encoding=looked.reading.encoding,
        delimiter=looked.delimiter,
        columns=[
            ColumnOut(column=column, target=None if target is None else target.name)
            for column, target in looked.plan.columns
        ],
        missing=[*looked.plan.missing, *looked.plan.unknown],
        lines_read=looked.lines_read,
        rows=[RowOut(line=line, item=item) for line, item in looked.rows],
        refusals=[
            RefusedLineOut(
                line=line, code=one.fault.code, message=one.fault.message, field=one.fault.field, column=column
            )
            for line, one, column in looked.refusals
        ],
        hints=looked.hints,
    )


def _mapping(text: str) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise UnreadableImport('mapping is a JSON object such as {"product_id": "SKU"}', field="mapping")
    return found


async def _patiently(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass on a body's parts; give up on a sender that falls silent. Raises UploadStalled."""
    while True:
        try:
            async with asyncio.timeout(PART_WAIT_SECONDS):
                part = await anext(parts)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise UploadStalled(f"nothing came for {PART_WAIT_SECONDS:.0f} s; send the file again") from None
        yield part


async def _written(pages: AsyncIterator[list[store.RefusedLine]]) -> AsyncIterator[str]:
    """Write the report; a byte order mark makes spreadsheets read it as UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    text.write("\ufeff")
    writer.writerow(_REPORT_HEADER)
    yield text.getvalue()
    async for page in pages:
        text.seek(0)
        text.truncate()
        writer.writerows(
            [one.line, one.field, one.message, one.status, one.code, _harmless(one.column), one.message_id]
            for one in page
        )
        yield text.getvalue()


def _harmless(cell: str | None) -> str | None:
    """Keep a spreadsheet from running a column's name as a formula."""
    return f"'{cell}" if cell and cell[0] in "=+-@\t\r" else cell
