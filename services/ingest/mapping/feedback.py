"""What customers say, with its scales, languages and visits in the one form that events have."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from pydantic import ValidationError

from services.ingest.domain import quality
from services.ingest.domain.faults import Refused
from services.ingest.domain.privacy import scrubbed
from services.ingest.domain.quality import Correction
from services.ingest.drafts import Context
from services.ingest.mapping.reading import read, refused
from services.ingest.mapping.receipts import original_key
from services.ingest.schemas.people import FeedbackIn
from services.ingest.schemas.receipts import OriginalIn
from shared.events import EventData
from shared.events.feedback import (
    ComplaintOpenedV1,
    InquiryOpenedV1,
    ReviewWrittenV1,
    SocialMentionV1,
    SurveyAnsweredV1,
)
from shared.identity import receipt_id_for

FEEDBACK_TYPES: Mapping[str, type[EventData]] = {
    "survey": SurveyAnsweredV1,
    "review": ReviewWrittenV1,
    "complaint": ComplaintOpenedV1,
    "inquiry": InquiryOpenedV1,
    "mention": SocialMentionV1,
}
USUAL_SCALES: Mapping[str, tuple[int, int]] = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
_STARS = (Decimal(1), Decimal(5))
_SHORTEST_SECRET = 4

Said = dict[str, Any]


def feedback_of(feedback: FeedbackIn, context: Context) -> tuple[EventData, tuple[Correction, ...]]:
    """Return a piece of feedback as its event, without contact data, and what was put right. Raises Refused."""
    own = [one.value for one in feedback.identifiers if len(one.value) >= _SHORTEST_SECRET]
    data: Said = scrubbed(feedback.data, own)
    corrections = [] if data == feedback.data else [Correction(quality.REMOVED.name, "/data")]
    _name_visit(data, context)
    _tag_language(data, corrections)
    if feedback.type == "survey":
        _scale_survey(data, corrections)
    elif feedback.type == "review":
        _count_stars(data, corrections)
    try:
        return FEEDBACK_TYPES[feedback.type].model_validate(data), tuple(corrections)
    except ValidationError as error:
        raise refused(error, "/data") from error


def _name_visit(data: Said, context: Context) -> None:
    """Name a visit by its receipt's id where it is told by its till's key, which is what survey tools know."""
    if "receipt" not in data:
        return
    told = data.pop("receipt")
    if not isinstance(told, Mapping):
        raise Refused("invalid_field", "is not a JSON object with a till's key", "/data/receipt")
    key = original_key(read(OriginalIn, told, "/data/receipt"))
    data.setdefault("receipt_id", str(receipt_id_for(key, context.secrets.event_ids)))


def _tag_language(data: Said, corrections: list[Correction]) -> None:
    said = data.get("language")
    if not isinstance(said, str):
        return
    first, *more = said.strip().replace("_", "-").split("-")
    tag = "-".join([first.lower(), *more])
    if tag != said:
        data["language"] = tag
        corrections.append(Correction(quality.LANGUAGE.name, "/data/language"))


def _scale_survey(data: Said, corrections: list[Correction]) -> None:
    usual = USUAL_SCALES.get(str(data.get("kind")))
    if usual is not None and "scale_min" not in data and "scale_max" not in data:
        data["scale_min"], data["scale_max"] = usual
        corrections.append(Correction(quality.SCALE.name, "/data/scale_max"))
    low, high, score = (_number(data.get(name)) for name in ("scale_min", "scale_max", "score"))
    if low is not None and high is not None and low >= high:
        raise Refused("invalid_field", "is not above scale_min", "/data/scale_max")
    _check_on_scale(score, low, high, "/data/score")


def _count_stars(data: Said, corrections: list[Correction]) -> None:
    """Record a rating on another scale in stars."""
    if "rating_max" not in data and "rating_min" not in data:
        return
    low, high = _number(data.pop("rating_min", 1)), _number(data.pop("rating_max", 5))
    rating = _number(data.get("rating"))
    if low is None or high is None or low >= high:
        raise Refused("invalid_field", "is no number above rating_min", "/data/rating_max")
    _check_on_scale(rating, low, high, "/data/rating")
    if rating is None or (low, high) == _STARS:
        return
    share = (rating - low) / (high - low)
    stars = (_STARS[0] + share * (_STARS[1] - _STARS[0])).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    data["rating"] = int(stars)
    corrections.append(Correction(quality.STARS.name, "/data/rating"))


def _check_on_scale(value: Decimal | None, low: Decimal | None, high: Decimal | None, field: str) -> None:
    if value is not None and low is not None and high is not None and not low <= value <= high:
        raise Refused("invalid_field", f"is not on the scale from {low} to {high}", field)


def _number(value: object) -> Decimal | None:
    """Return a JSON number exactly; None for anything else, which the event's own rules refuse."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return Decimal(str(value))
