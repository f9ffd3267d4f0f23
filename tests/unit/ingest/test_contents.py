"""Digests and readers that outlive versions: what was stored by an older one still is understood."""

import json
from pathlib import Path

import pytest

from services.ingest.mapping.contents import _ADDED_LATER, said_by
from services.ingest.mapping.kinds import READERS
from services.ingest.mapping.messages import TYPES
from services.ingest.mapping.things import CATALOGUE
from shared.events import EventData
from shared.events.feedback import SurveyAnsweredV1
from shared.events.products import ProductChangedV1

ROOT = Path(__file__).parents[3]
SURVEY = SurveyAnsweredV1(answer_id="a", survey_id="s", kind="nps", score=9, scale_min=0, scale_max=10)


def test_a_field_that_was_added_later_changes_no_digest_until_it_is_used() -> None:
    before = {"answer_id", "survey_id", "kind", "score", "scale_min", "scale_max", "text", "receipt_id"}
    assert set(json.loads(said_by(SURVEY))) == before
    used = SURVEY.model_copy(update={"channel": "wechat"})
    assert set(json.loads(said_by(used))) == before | {"channel"}


def test_an_old_product_says_what_it_said() -> None:
    product = ProductChangedV1(product_id="P1", name="Cheddar")
    assert b"gtins" not in said_by(product)
    assert b"gtins" in said_by(product.model_copy(update={"gtins": ("06901234567892",)}))


@pytest.mark.parametrize("event_class", _ADDED_LATER, ids=lambda each: each.__name__)
def test_fields_that_are_left_out_exist_and_have_a_default(event_class: type[EventData]) -> None:
    for name in _ADDED_LATER[event_class]:
        assert not event_class.model_fields[name].is_required()


def test_everything_that_can_be_refused_can_be_read_again() -> None:
    kinds = {"receipts", "customers", "consents", "feedback", "messages", "orders", "shopify", *CATALOGUE, *TYPES}
    assert kinds == set(READERS)
