"""Who belongs to whom, what is known of them, what they allow, and that they are to be forgotten."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Attributes, Code, EventData, Identifier, Name, Ordinal, Sentence

AssignmentCause = Literal["linked", "merged", "unmerged", "claimed", "quarantined", "erased", "first_seen"]


class SubjectAssignedV1(EventData):
    """A subject belongs to a customer from now on, its past included. Consumers keep the highest version."""

    subject_id: UUID = Field(description="The subject; also the envelope's.")
    customer_id: UUID = Field(description="Whose it is now.")
    version: Ordinal = Field(description="Rises with every assignment of this subject; a lower one is stale.")
    cause: AssignmentCause = Field(description="Why.")
    namespace: Code | None = Field(default=None, description="The namespace of the subject's identifier.")
    masked: Name | None = Field(default=None, description="The identifier as it may be shown, such as 139****5678.")


IdentityDecision = Literal[
    "linked", "unmerged", "claimed", "claim_undone", "quarantined", "released", "reissued", "related", "unrelated"
]


class IdentityDecidedV1(EventData):
    """A person, or a rule, decided about identifiers. What follows from it are SubjectAssigned events behind it.

    Kept for those who audit; services need not look at it.
    """

    decision: IdentityDecision
    subject_ids: tuple[UUID, ...] = Field(max_length=100, description="Whom it is about.")
    about_event_id: UUID | None = Field(
        default=None, description="The event whose link was wrong, or the receipt that is claimed."
    )
    reason: Sentence | None = Field(default=None, description="Why, in the words of who decided, or a rule's code.")
    actor: Identifier = Field(description="Who decided: the API key's actor, or rule for a rule of the service.")


class AttributesChangedV1(EventData):
    """Facts about a person; never contact data. The latest (occurred_at, event_id) of each is kept."""

    attributes: Attributes = Field(description="Name → value; null takes the attribute away.")


class ConsentChangedV1(EventData):
    """A person allowed something or took it back."""

    channel: Literal["email", "sms", "phone", "post", "push", "wechat", "any"]
    purpose: Literal["marketing", "personalisation", "analytics", "service"]
    state: Literal["granted", "withdrawn"]
    policy_version: Identifier | None = Field(default=None, description="The wording that was agreed to.")
    evidence: Name | None = Field(default=None, description="Where it was given: a form, a till, a letter.")


class CustomerErasedV1(EventData):
    """Forget this customer; one event per erased subject, so that each partition hears of its own.

    Facts of these subjects move to a guest subject of their own, `guest_subject_id(event_id)`.
    """

    erasure_id: UUID = Field(description="The request; services confirm it by this id.")
    customer_id: UUID
    subject_ids: tuple[UUID, ...] = Field(min_length=1, max_length=1000, description="All erased subjects.")
