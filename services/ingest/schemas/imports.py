"""Imports: how a file is to be read, what became of it, and a look at it beforehand."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from services.ingest.domain.texts import is_known_encoding
from shared.events.base import Currency, Identifier

Kind = Literal[
    "customers",
    "attributes",
    "receipt_lines",
    "receipts",
    "products",
    "prices",
    "stock",
    "stores",
    "staff",
]
Format = Literal["csv", "ndjson", "parquet", "poslog"]
State = Literal["uploading", "waiting", "queued", "running", "done", "failed", "cancelled", "expired"]

DELIMITER = r"^[,;\t|:^~]$"
FILES = "files"
"""The source of what files say, where their sender names none."""

FileName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


class ReadingIn(BaseModel):
    """How a file is read. Everything left out is detected or has a default, and the preview shows what was found."""

    model_config = ConfigDict(extra="forbid")

    format: Format | None = Field(default=None, description="left out: by the end of the file's name")
    encoding: Annotated[str | None, Field(max_length=40)] = Field(
        default=None, description="left out: by its byte order mark, else UTF-8 where all of it is, else GB18030"
    )
    delimiter: Annotated[str | None, Field(pattern=DELIMITER)] = Field(
        default=None, description="between a CSV's columns; left out: the one of , ; tab | that its header has"
    )
    decimal: Literal[".", ","] = Field(default=".", description="the sign before a number's fraction")
    date_format: Literal["iso", "dmy", "mdy", "ymd"] = Field(
        default="iso", description="order of day, month, year where a date is not ISO 8601; never guessed"
    )
    time_zone: Annotated[str | None, Field(max_length=64)] = Field(
        default=None, description="IANA zone of times without an offset; left out: the deployment's"
    )
    currency: Currency | None = Field(default=None, description="where no column says it; left out: the chain's")
    mapping: Annotated[dict[str, str], Field(max_length=500)] = Field(
        default_factory=dict, description="target field: the file's column, where names alone do not tell"
    )
    as_of: AwareDatetime | None = Field(
        default=None, description="since when what the file says is so; left out: since it was first uploaded"
    )
    source: Identifier = Field(default=FILES, description="the system it comes from; its own numbers are its own")
    provider: Annotated[str | None, Field(pattern=r"^[a-z0-9_]{1,40}$")] = Field(
        default=None, description="of kind attributes: whose they are, put before each name (`experian.income_band`)"
    )
    until: date | None = Field(default=None, description="of kind receipt_lines: the last business day to take")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str | None) -> str | None:
        if name is not None and not is_known_encoding(name):
            raise ValueError("is no encoding known here, such as utf-8, gb18030, windows-1252")
        return name

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        if name is not None and name not in available_timezones():
            raise ValueError("is no IANA time zone, such as Asia/Shanghai")
        return name

    def zone(self, otherwise: str) -> ZoneInfo:
        return ZoneInfo(self.time_zone or otherwise)


class ProgressOut(BaseModel):
    """How far an import has come."""

    rows_total: int | None = Field(description="lines with data in the file; null until they are counted")
    rows_read: int
    accepted: int = Field(description="items stored; several lines may make one receipt")
    repeated: int = Field(description="items that were stored before: nothing changed")
    conflicts: int = Field(description="items whose key came with other content before")
    refused: int
    rows_per_second: float | None = Field(description="since it began; null before")


class ImportOut(BaseModel):
    """One import."""

    import_id: UUID
    name: str
    kind: Kind
    state: State
    actor: str = Field(description="who uploaded it")
    reading: ReadingIn
    size_bytes: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: ProgressOut
    failure: str | None = Field(default=None, description="why the file as a whole could not be read")
    is_repeat: bool = Field(default=False, description="this very file was uploaded before; nothing was done again")


class ColumnOut(BaseModel):
    """One column of the file and what it was taken for."""

    column: str
    target: str | None = Field(description="null: nothing here has this name; it is left out")


class RowOut(BaseModel):
    """One item as it would be stored; identifiers and contact data are masked."""

    line: int
    item: dict[str, Any]


class RefusedLineOut(BaseModel):
    """One line that would be refused."""

    line: int
    code: str
    message: str
    field: str | None
    column: str | None


class PreviewOut(BaseModel):
    """A look at the head of the file."""

    encoding: str | None
    delimiter: str | None
    columns: list[ColumnOut]
    missing: list[str] = Field(description="targets that this kind needs and no column has; the import cannot begin")
    lines_read: int
    rows: list[RowOut]
    refusals: list[RefusedLineOut]
    hints: list[str] = Field(description="what to say about the file, judging by its first lines")


class ImportMade(ImportOut):
    """A new import; with `preview=true` it waits to be started and shows its head."""

    preview: PreviewOut | None = None
