"""Webhooks of other systems."""

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr


class WebhookIn(BaseModel):
    """How another system signs what it sends."""

    secret: Annotated[
        SecretStr,
        Field(min_length=8, max_length=200, description="the secret it signs with; kept sealed and shown to nobody"),
    ]
