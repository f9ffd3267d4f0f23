"""Templates in their sandbox."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.campaign import rendering
from services.campaign.domain.campaigns import Audience, Offer, Plan, Template
from services.campaign.errors import BadTemplate

OFFER = Offer(datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 12, 22, tzinfo=UTC), percent=15)
PLAN = Plan("Autumn", Audience(), 0.1, 28, offer=OFFER, template=Template("{{ discount }} with {{ code }}"))


def test_a_message_has_the_code_and_the_discount() -> None:
    assert PLAN.template is not None
    text = rendering.render(PLAN.template, rendering.values_for(PLAN, "ABCD", "CNY"))
    assert text.body == "15 % with ABCD"


@pytest.mark.parametrize(("currency", "expected"), [("CNY", "12.50 CNY"), ("JPY", "1250 JPY"), ("KWD", "1.250 KWD")])
def test_an_amount_is_written_with_its_currency_s_digits(currency: str, expected: str) -> None:
    plan = replace(PLAN, offer=replace(OFFER, percent=None, amount_minor=1250))
    assert rendering.discount_text(plan, currency) == expected


def test_a_subject_is_one_line_whatever_is_in_it() -> None:
    text = rendering.render(Template("x", "Hello\r\nBcc: all@example.org"), {})
    assert text.subject == "Hello Bcc: all@example.org"


@pytest.mark.parametrize(
    "body",
    [
        "{{ unknown }}",
        "{{ campaign.__class__.__base__.__subclasses__() }}",
        "{{ 1 / 0 }}",
        "{% for n in range(10 ** 9) %}x{% endfor %}",
        "{{ 'x' * 10 ** 10 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'x' | center(1000000000) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{% include '/etc/passwd' %}",
        "{{ 'x' | default('y', 1, 2) }}",
        "x" * 20_001,
        "{% if %}",
        "   ",
    ],
)
def test_a_template_that_cannot_work_is_refused_when_it_is_planned(body: str) -> None:
    with pytest.raises(BadTemplate) as refused:
        rendering.check(replace(PLAN, template=Template(body)), "CNY")
    assert refused.value.field == "/template/body"


def test_an_email_needs_a_subject() -> None:
    with pytest.raises(BadTemplate, match="subject"):
        rendering.check(replace(PLAN, channel="email"), "CNY")


def test_conditions_and_filters_are_enough_for_a_letter() -> None:
    body = (
        "{% if code %}{{ campaign | upper }}: {{ code }}{% else %}{{ discount if discount else 'none' }}{% endif %}"
    )
    values = rendering.values_for(PLAN, "ABCD", "CNY")
    assert rendering.render(Template(body), values).body == "AUTUMN: ABCD"
    assert rendering.render(Template(body), {**values, "code": ""}).body == "15 %"
