"""Feedback of every kind, from the wire to its event."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.ingest.mapping.feedback import FEEDBACK_TYPES
from shared.events.feedback import (
    ComplaintOpenedV1,
    InquiryOpenedV1,
    ReviewWrittenV1,
    SocialMentionV1,
    SurveyAnsweredV1,
)
from tests.integration.ingest.conftest import Running, receipt

pytestmark = pytest.mark.postgres

PHONE = {"namespace": "phone", "value": "13912345678"}
SURVEY = {"answer_id": "a-1", "survey_id": "visit", "kind": "nps", "score": 9}
DOCS = Path(__file__).parents[3] / "docs" / "ingest.md"


async def sent(ingest: Running, kind: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    (result,) = await ingest.results("/v1/feedback", {"type": kind, "data": data, **more})
    return result


async def said(ingest: Running, kind: str, data: dict[str, Any], **more: Any) -> Any:
    result = await sent(ingest, kind, data, **more)
    assert result["status"] == "accepted", result
    return (await ingest.envelopes())[-1]


async def test_a_survey_becomes_its_event_with_channel_question_and_language(ingest: Running) -> None:
    more = {"channel": "wechat", "question": "Would you recommend us?", "language": "zh-CN", "text": "快"}
    envelope = await said(ingest, "survey", {**SURVEY, **more}, identifiers=[PHONE], store_id="S01", message_id="a-1")
    assert envelope.data == SurveyAnsweredV1(**SURVEY, **more, scale_min=0, scale_max=10)
    assert (envelope.subject_kind, envelope.store_id) == ("identified", "S01")


@pytest.mark.parametrize(("kind", "scale"), [("nps", (0, 10)), ("csat", (1, 5)), ("ces", (1, 7))])
async def test_a_survey_without_a_scale_is_on_the_usual_one(
    ingest: Running, kind: str, scale: tuple[int, int]
) -> None:
    result = await sent(ingest, "survey", {**SURVEY, "kind": kind, "score": 4})
    assert result["corrections"] == [{"rule": "survey_scale", "field": "/data/scale_max"}]
    (envelope,) = await ingest.envelopes()
    assert (envelope.data.scale_min, envelope.data.scale_max) == scale


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"score": 11}, "/data/score"),
        ({"score": 6, "scale_min": 1, "scale_max": 5}, "/data/score"),
        ({"scale_min": 5, "scale_max": 1}, "/data/scale_max"),
        ({"score": "nine"}, "/data/score"),
        ({"kind": "mood"}, "/data/kind"),
        ({"channel": "pigeon"}, "/data/channel"),
        ({"language": "chinese, mostly"}, "/data/language"),
        ({"receipt": "yesterday"}, "/data/receipt"),
        ({"receipt": {"store_id": "S01"}}, "/data/receipt/terminal_id"),
    ],
)
async def test_a_wrong_survey_names_its_field(ingest: Running, data: dict[str, Any], field: str) -> None:
    result = await sent(ingest, "survey", {**SURVEY, **data})
    assert (result["status"], result["field"]) == ("refused", field)


async def test_a_visit_may_be_told_by_its_tills_key(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(7))
    key = {"store_id": "S01", "terminal_id": "T3", "business_date": "2026-03-01", "sequence_number": 7}
    envelope = await said(ingest, "survey", {**SURVEY, "receipt": key})
    assert envelope.data.receipt_id == (await ingest.envelopes())[0].event_id


async def test_a_review_becomes_its_event(ingest: Running) -> None:
    data = {"review_id": "r-1", "product_id": "P1", "rating": 4, "title": "good", "text": "very", "order_id": "1001"}
    envelope = await said(ingest, "review", {**data, "channel": "app", "language": "en"})
    assert envelope.data == ReviewWrittenV1(**data, channel="app", language="en")


@pytest.mark.parametrize(
    ("rating", "scale", "stars"),
    [
        (8, {"rating_max": 10}, 4),
        (0, {"rating_min": 0, "rating_max": 100}, 1),
        (100, {"rating_min": 0, "rating_max": 100}, 5),
        (4.5, {"rating_min": 0, "rating_max": 5}, 5),
        (3, {"rating_max": 5}, 3),
    ],
)
async def test_a_rating_on_another_scale_is_recorded_in_stars(
    ingest: Running, rating: float, scale: dict[str, int], stars: int
) -> None:
    envelope = await said(ingest, "review", {"review_id": "r-1", "rating": rating, **scale})
    assert envelope.data.rating == stars


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"rating": 11, "rating_max": 10}, "/data/rating"),
        ({"rating": 6}, "/data/rating"),
        ({"rating": 3, "rating_max": 1}, "/data/rating_max"),
        ({"rating": 3, "rating_max": "ten"}, "/data/rating_max"),
        ({}, "/data/rating"),
    ],
)
async def test_a_wrong_rating_names_its_field(ingest: Running, data: dict[str, Any], field: str) -> None:
    result = await sent(ingest, "review", {"review_id": "r-1", **data})
    assert (result["status"], result["field"]) == ("refused", field)


async def test_a_complaint_an_inquiry_and_a_mention_become_their_events(ingest: Running) -> None:
    complaint = {"complaint_id": "c-1", "channel": "phone", "category": "quality", "severity": "high", "text": "bad"}
    assert (await said(ingest, "complaint", complaint, store_id="S01")).data == ComplaintOpenedV1(**complaint)
    inquiry = {"inquiry_id": "i-1", "channel": "wechat", "category": "stock", "text": "open?", "order_id": "1001"}
    assert (await said(ingest, "inquiry", inquiry)).data == InquiryOpenedV1(**inquiry)
    mention = {"mention_id": "m-1", "network": "weibo", "text": "queue", "sentiment": -0.5, "reach": 1200}
    envelope = await said(ingest, "mention", {**mention, "language": "ZH_CN"})
    assert envelope.data == SocialMentionV1(**mention, language="zh-CN")
    assert envelope.subject_kind == "guest"


async def test_what_a_customer_wrote_reaches_no_event_with_a_phone_number_in_it(ingest: Running) -> None:
    text = "call me: 13912345678 or chen@example.com"
    envelope = await said(
        ingest, "complaint", {"complaint_id": "c-1", "channel": "web", "text": text}, identifiers=[PHONE]
    )
    assert "13912345678" not in envelope.data.text
    assert "@" not in envelope.data.text


async def test_the_same_feedback_again_is_a_repeat(ingest: Running) -> None:
    for status in ("accepted", "repeat"):
        assert (await sent(ingest, "survey", SURVEY, message_id="a-1"))["status"] == status
    assert (await sent(ingest, "survey", {**SURVEY, "score": 3}, message_id="a-1"))["status"] == "conflict"


async def test_the_examples_of_the_documentation_are_accepted_and_show_every_kind(ingest: Running) -> None:
    (example,) = re.findall(r'```json\n(\{"feedback".*?)```', DOCS.read_text(encoding="utf-8"), re.DOTALL)
    document = orjson.loads(example)
    results = await ingest.results("/v1/feedback", document)
    assert {one["status"] for one in results} == {"accepted"}, results
    assert {one["type"] for one in document["feedback"]} == set(FEEDBACK_TYPES)
