"""What analytics clients send and ask for, for the OpenAPI document; messages are read leniently by mapping."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class MessageIn(BaseModel):
    """One message, as Segment's specification has it. One of userId and anonymousId is needed."""

    model_config = ConfigDict(extra="allow")

    type: Literal["track", "identify", "page", "screen", "group", "alias"] | None = Field(
        default=None, description="needed in a batch; elsewhere the route says it"
    )
    messageId: str | None = Field(default=None, max_length=128)  # noqa: N815 (the clients' spelling)
    userId: str | int | None = None  # noqa: N815 (the clients' spelling)
    anonymousId: str | int | None = None  # noqa: N815 (the clients' spelling)
    event: str | None = Field(default=None, description="of a track message: what happened")
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    timestamp: str | None = Field(default=None, description="ISO 8601")


class BatchIn(BaseModel):
    """Up to 2,500 messages."""

    model_config = ConfigDict(extra="allow")

    batch: list[MessageIn]
    writeKey: str | None = Field(default=None, description="instead of Basic auth")  # noqa: N815 (as above)
    sentAt: str | None = None  # noqa: N815 (the clients' spelling)


class SettingsOut(BaseModel):
    """What a browser's client wants to know when it starts."""

    integrations: dict[str, Any]
    plan: dict[str, Any]
    edgeFunction: dict[str, Any]  # noqa: N815 (the clients' spelling)

    @classmethod
    def for_key(cls, write_key: str) -> "SettingsOut":
        sending = {"apiKey": write_key, "unbundledIntegrations": [], "addBundledMetadata": True}
        return cls(integrations={"Segment.io": sending}, plan={"track": {}}, edgeFunction={})
