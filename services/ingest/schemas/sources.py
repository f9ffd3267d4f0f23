"""Sources as they are managed."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from services.ingest.domain.sources import SourceKind


class SourceIn(BaseModel):
    """A source to make."""

    kind: SourceKind = Field(description="pos, server, import: secret keys; web, app: public ones")
    id: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$", description="left out: made up")] = None
    name: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""


class SourceOut(BaseModel):
    """A source."""

    model_config = ConfigDict(from_attributes=True)

    source_id: str
    kind: SourceKind
    name: str
    created_at: datetime
    disabled_at: datetime | None


class SourceMade(BaseModel):
    """A new source with its write key, which is shown this once."""

    source_id: str
    kind: SourceKind
    write_key: str


class SourcesOut(BaseModel):
    sources: list[SourceOut]
