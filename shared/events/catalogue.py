"""Which topics there are: key, owner, consumers, retention, event classes and an example of each."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from shared.events import (
    behaviour,
    campaign,
    customers,
    feedback,
    products,
    receipts,
    recommend,
    segments,
    stores,
    warnings,
)
from shared.events.base import EventData

EXAMPLES = Path(__file__).parent / "examples"
SCHEMAS = Path(__file__).parent / "schemas"

Service = Literal["ingest", "profile", "recommend", "churn", "campaign"]


@dataclass(frozen=True)
class Topic:
    """One topic. Every topic has the deployment's one partition count (the setting `partitions`)."""

    name: str
    about: str
    key: Literal["subject", "product or store"]
    owner: Service
    consumers: tuple[Service, ...]
    """Who reads it here; empty: it is published for the retailer's own systems."""
    retention_days: int | None
    """How long the owner's log keeps its bodies; None: for ever. What consumers derive from them goes a little before
    (`shared.events.retention`): a topic that tells of states, not of moments, is kept for ever."""
    events: tuple[type[EventData], ...]
    example: str
    """Path of an example message, under examples/."""


TOPICS: tuple[Topic, ...] = (
    Topic(
        name="retail.receipts.v1",
        about="Sales, returns, exchanges and voids from tills and web shops.",
        key="subject",
        owner="ingest",
        consumers=("profile", "recommend", "churn", "campaign"),
        retention_days=None,
        events=(receipts.ReceiptRecordedV1, receipts.ReceiptVoidedV1),
        example="ReceiptRecorded/v1/sale.json",
    ),
    Topic(
        name="retail.behaviour.v1",
        about="What shoppers do on the web and in apps.",
        key="subject",
        owner="ingest",
        consumers=("profile", "recommend", "churn"),
        retention_days=400,
        events=(
            behaviour.ProductViewedV1,
            behaviour.ProductViewedV2,
            behaviour.ListViewedV1,
            behaviour.SearchPerformedV1,
            behaviour.CartChangedV1,
            behaviour.CheckoutStartedV1,
            behaviour.PageViewedV1,
            behaviour.CustomV1,
        ),
        example="ProductViewed/v2/from-search.json",
    ),
    Topic(
        name="retail.customers.v1",
        about="Who belongs together, what is known of them, what they allow, and erasures.",
        key="subject",
        owner="ingest",
        consumers=("profile", "recommend", "churn", "campaign"),
        retention_days=None,
        events=(
            customers.SubjectAssignedV1,
            customers.IdentityDecidedV1,
            customers.AttributesChangedV1,
            customers.ConsentChangedV1,
            customers.CustomerErasedV1,
        ),
        example="SubjectAssigned/v1/linked.json",
    ),
    Topic(
        name="retail.feedback.v1",
        about="Surveys, reviews, complaints, inquiries and social mentions.",
        key="subject",
        owner="ingest",
        consumers=("profile", "churn", "campaign"),
        retention_days=None,
        events=(
            feedback.SurveyAnsweredV1,
            feedback.ReviewWrittenV1,
            feedback.ComplaintOpenedV1,
            feedback.InquiryOpenedV1,
            feedback.SocialMentionV1,
        ),
        example="SurveyAnswered/v1/nps.json",
    ),
    Topic(
        name="retail.catalogue.v1",
        about="Products, prices, stock, stores and staff.",
        key="product or store",
        owner="ingest",
        consumers=("profile", "recommend", "churn", "campaign"),
        retention_days=None,
        events=(
            products.ProductChangedV1,
            products.PriceChangedV1,
            products.StockChangedV1,
            products.StoreChangedV1,
            products.StaffChangedV1,
        ),
        example="ProductChanged/v1/cheese.json",
    ),
    Topic(
        name="retail.stores.v1",
        about="What sensors, self-checkouts and electronic price tags count and show in stores; never persons.",
        key="product or store",
        owner="ingest",
        consumers=(),
        retention_days=400,
        events=(stores.StoreCountedV1, stores.PriceShownV1),
        example="StoreCounted/v1/entrance.json",
    ),
    Topic(
        name="recommend.activity.v1",
        about="What was recommended, and what shoppers did with it.",
        key="subject",
        owner="recommend",
        consumers=("campaign",),
        retention_days=400,
        events=(recommend.RecommendationsShownV1, recommend.RecommendationClickedV1),
        example="RecommendationsShown/v1/for-you.json",
    ),
    Topic(
        name="profile.segments.v1",
        about="Customers entering and leaving segments and stages of life.",
        key="subject",
        owner="profile",
        consumers=("recommend", "campaign"),
        # Who is in a segment follows from the last word said of it, however long ago that was.
        retention_days=None,
        events=(segments.SegmentEnteredV1, segments.SegmentLeftV1, segments.LifecycleChangedV1),
        example="SegmentEntered/v1/champions.json",
    ),
    Topic(
        name="churn.warnings.v1",
        about="Early warnings that a customer is about to leave.",
        key="subject",
        owner="churn",
        consumers=("profile", "campaign"),
        retention_days=None,
        events=(warnings.WarningRaisedV1, warnings.WarningChangedV1, warnings.WarningClosedV1),
        example="WarningRaised/v1/high.json",
    ),
    Topic(
        name="campaign.activity.v1",
        about="Messages, coupons, points, tiers and cases.",
        key="subject",
        owner="campaign",
        consumers=("profile", "recommend"),
        retention_days=None,
        events=(
            campaign.MessageDecidedV1,
            campaign.MessageSentV1,
            campaign.CouponIssuedV1,
            campaign.CouponRedeemedV1,
            campaign.PointsPostedV1,
            campaign.TierChangedV1,
            campaign.CaseChangedV1,
        ),
        example="CouponRedeemed/v1/redeemed.json",
    ),
)


@cache
def _classes() -> dict[tuple[str, int], type[EventData]]:
    return {(each.event_type, each.event_version): each for topic in TOPICS for each in topic.events}


@cache
def _topics_by_type() -> dict[str, Topic]:
    return {each.event_type: topic for topic in TOPICS for each in topic.events}


def event_class(event_type: str, version: int) -> type[EventData] | None:
    """Return the class of a type and version; None where the catalogue has no such one."""
    return _classes().get((event_type, version))


def versions_of(event_type: str) -> tuple[int, ...]:
    """Return the versions a type has, rising; empty where there is no such type."""
    return tuple(sorted(version for name, version in _classes() if name == event_type))


def topic_of(data: EventData | type[EventData] | str) -> Topic:
    """Find the topic of an event, its class or its type's name. Raises KeyError for an unknown type."""
    return _topics_by_type()[data if isinstance(data, str) else data.event_type]


def topic_named(name: str) -> Topic:
    """Find the topic of this name. Raises KeyError where there is none."""
    for topic in TOPICS:
        if topic.name == name:
            return topic
    raise KeyError(name)


def topics_consumed_by(service: str) -> tuple[Topic, ...]:
    """Return the topics a service reads, in the catalogue's order."""
    return tuple(topic for topic in TOPICS if service in topic.consumers)


def topics_owned_by(service: str) -> tuple[Topic, ...]:
    """Return the topics a service writes, in the catalogue's order."""
    return tuple(topic for topic in TOPICS if topic.owner == service)
