"""What customers say: surveys, reviews, complaints, inquiries, social mentions."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.events.base import Code, Count, EventData, Identifier, Name, Number, Prose, Sentence

Text = Annotated[Prose, Field(description="In the customer's own words.")]
Sentiment = Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]
Channel = Literal["store", "phone", "email", "web", "app", "wechat", "social", "other"]
Said = Annotated[Channel | None, Field(description="Where it was said; null: not known.")]
OrderId = Annotated[Identifier | None, Field(description="The web shop's order that it is about.")]
Language = Annotated[
    str | None,
    Field(
        pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$",
        max_length=35,
        description="BCP 47 tag of the text's language, such as zh-CN.",
    ),
]


class SurveyAnsweredV1(EventData):
    """One answered question of satisfaction or recommendation."""

    answer_id: Identifier
    survey_id: Identifier
    kind: Literal["csat", "nps", "ces"]
    score: Number = Field(description="On the scale from scale_min to scale_max, both included.")
    scale_min: Number
    scale_max: Number
    text: Text | None = None
    receipt_id: UUID | None = Field(default=None, description="The visit that was asked about.")
    channel: Said = None
    product_id: Identifier | None = None
    order_id: OrderId = None
    question: Sentence | None = Field(default=None, description="What was asked, as the customer read it.")
    language: Language = None


class ReviewWrittenV1(EventData):
    """A review of a product or a store."""

    review_id: Identifier
    product_id: Identifier | None = None
    rating: int = Field(ge=1, le=5, description="Stars, 1 to 5.")
    title: Sentence | None = None
    text: Text = ""
    channel: Said = None
    order_id: OrderId = None
    receipt_id: UUID | None = Field(default=None, description="The visit in which it was bought.")
    language: Language = None


class ComplaintOpenedV1(EventData):
    """A customer complained."""

    complaint_id: Identifier
    channel: Channel
    category: Code | None = Field(default=None, description="quality, price, service, delivery, …")
    severity: Literal["low", "medium", "high"] = "medium"
    text: Text = ""
    product_id: Identifier | None = None
    receipt_id: UUID | None = None
    order_id: OrderId = None
    language: Language = None


class InquiryOpenedV1(EventData):
    """A customer asked something."""

    inquiry_id: Identifier
    channel: Channel
    category: Code | None = Field(default=None, description="stock, opening_hours, order, …")
    text: Text = ""
    product_id: Identifier | None = None
    order_id: OrderId = None
    receipt_id: UUID | None = Field(default=None, description="The visit that it is about.")
    language: Language = None


class SocialMentionV1(EventData):
    """Somebody wrote about the shop in public."""

    mention_id: Identifier
    network: Code = Field(description="weibo, xiaohongshu, instagram, …")
    text: Text = ""
    url: Sentence | None = None
    author: Name | None = Field(default=None, description="The public name it was written under.")
    sentiment: Sentiment | None = Field(default=None, description="-1 (bad) to 1 (good), as the source judged.")
    reach: Count | None = Field(default=None, description="How many people may have seen it.")
    product_id: Identifier | None = None
    language: Language = None
