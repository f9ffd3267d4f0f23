"""Customers, consents and feedback as the retailer's systems send them."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.ingest.schemas.receipts import IdentifierIn
from shared.events.base import Attributes, Identifier, Name

MessageId = Annotated[
    Identifier | None,
    Field(description="your own number of this message; sending it again changes nothing"),
]
When = Annotated[AwareDatetime | None, Field(description="RFC 3339; left out: now")]
Contact = Annotated[
    dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")], Annotated[str, Field(max_length=1000)]],
    Field(max_length=30, description="name, address, …: goes into the vault, and into no event"),
]


class PersonIn(BaseModel):
    """What all messages about a person have in common."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    identifiers: Annotated[tuple[IdentifierIn, ...], Field(min_length=1, max_length=20)]
    message_id: MessageId = None
    occurred_at: When = None


class ConsentIn(BaseModel):
    """One permission, given or taken back."""

    channel: Literal["email", "sms", "phone", "post", "push", "wechat", "any"]
    purpose: Literal["marketing", "personalisation", "analytics", "service"]
    state: Literal["granted", "withdrawn"]
    policy_version: Identifier | None = None
    evidence: Name | None = None


class CustomerIn(PersonIn):
    """A customer: identifiers that belong together, facts, contact data, permissions."""

    attributes: Annotated[Attributes, Field(description="facts; null takes one away")] = {}
    contact: Contact = {}
    consents: Annotated[tuple[ConsentIn, ...], Field(max_length=50)] = ()


class PersonalConsentIn(PersonIn, ConsentIn):
    """A permission, and whose it is."""


class FeedbackIn(BaseModel):
    """Something a customer said; `data` has the fields of its type (docs/events.md), ids included.

    A survey's scale may be left out where it is the usual one; a review on another scale adds `rating_max`; a visit
    may be told as `receipt`, by its till's key.
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)

    type: Literal["survey", "review", "complaint", "inquiry", "mention"]
    identifiers: Annotated[tuple[IdentifierIn, ...], Field(max_length=20)] = ()
    message_id: MessageId = None
    occurred_at: When = None
    store_id: Identifier | None = None
    data: dict[str, Any]


CUSTOMER_EXAMPLE = {
    "identifiers": [
        {"namespace": "loyalty_card", "value": "6001234567"},
        {"namespace": "email", "value": "chen@example.com"},
    ],
    "attributes": {"age_band": "35-44", "household_size": 3},
    "contact": {"name": "Chen Li"},
    "consents": [{"channel": "email", "purpose": "marketing", "state": "granted"}],
}

FEEDBACK_EXAMPLE = {
    "type": "survey",
    "message_id": "a-5512",
    "store_id": "S01",
    "identifiers": [{"namespace": "phone", "value": "13912345678"}],
    "data": {
        "answer_id": "a-5512",
        "survey_id": "after-visit",
        "kind": "nps",
        "score": 9,
        "channel": "wechat",
        "question": "Would you recommend us?",
        "text": "排队很快",
        "language": "zh-CN",
    },
}
