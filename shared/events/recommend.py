"""What was recommended to whom, and what came of it."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Code, Count, EventData, Identifier, Number, Ordinal, Part


class Experiment(Part):
    """The experiment a request took part in."""

    id: Identifier
    variant: Identifier


class ShownItem(Part):
    """One recommended product."""

    product_id: Identifier
    rank: Ordinal = Field(description="Its place, from 1.")
    score: Number = Field(description="The ranker's figure, comparable within one request only.")
    source: Code = Field(description="Where the candidate came from.")
    propensity: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="The chance with which exploration put it there; null: it was not explored."
    )


class RecommendationsShownV1(EventData):
    """A placement was filled for somebody."""

    request_id: UUID
    customer_id: UUID | None = Field(default=None, description="Null: a visitor nobody knows.")
    session_id: Identifier | None = None
    placement: Code
    model_version: Identifier
    experiment: Experiment | None = None
    fallback_level: Count = Field(description="0: fully personal; each step up is a more general answer.")
    items: tuple[ShownItem, ...] = Field(max_length=200)


class RecommendationClickedV1(EventData):
    """Somebody acted on a recommendation; attribution only, never a sale."""

    request_id: UUID
    customer_id: UUID | None = None
    placement: Code
    product_id: Identifier
    rank: Ordinal | None = Field(default=None, description="Its place when shown, from 1.")
    action: Literal["impression", "click", "add_to_cart", "purchase"]
