"""The rules of quality: what is certain is put right, everything else stays."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain import quality
from services.ingest.domain.bots import is_bot
from services.ingest.mapping.standard import codes_asked, product_of


def wide(text: str) -> str:
    """Return the text in full-width characters, as Chinese keyboards write it."""
    return "".join(chr(ord(character) + 0xFEE0) for character in text)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("cny", "CNY"),
        (" Usd ", "USD"),
        (wide("CNY"), "CNY"),
        ("RMB", "CNY"),
        ("人民币", "CNY"),
        ("¥", "\u00a5"),
        ("CNY", "CNY"),
    ],
)
def test_currencies(said: str, meant: str) -> None:
    assert quality.currency_code(said) == meant


@pytest.mark.parametrize("said", ["", "2026", "01/03/2026", "3/1/26", "2026-3", "2026-03-01T00:00:00Z"])
def test_a_date_that_is_not_certain_stays_as_it_is(said: str) -> None:
    assert quality.iso_date(said) == said


@given(st.dates(min_value=date(1990, 1, 1)))
def test_a_date_in_its_form_is_left_alone_and_every_form_of_it_is_found(day: date) -> None:
    text = str(day)
    year, month, rest = text.split("-")
    for said in (text, text.replace("-", "/"), f"{year}{month}{rest}", f"{year}年{int(month)}月{int(rest)}日"):
        assert quality.iso_date(said) == text


@pytest.mark.parametrize("gtin", ["96385074", "036000291452", "6901234567892", "10012345678902", "4006381333931"])
def test_published_gtins_pass_and_any_other_check_digit_fails(gtin: str) -> None:
    assert quality.plain_gtin(gtin) == gtin
    for digit in set("0123456789") - {gtin[-1]}:
        assert quality.plain_gtin(gtin[:-1] + digit) is None


@given(st.text(alphabet="0123456789", min_size=7, max_size=13).filter(lambda body: len(body) in {7, 11, 12, 13}))
def test_a_check_digit_makes_a_gtin(body: str) -> None:
    assert quality.plain_gtin(body + quality.check_digit(body)) == body + quality.check_digit(body)


@given(st.text(max_size=20))
def test_no_text_makes_a_rule_fail_and_twice_is_once(text: str) -> None:
    for rule in (quality.currency_code, quality.iso_date, quality.iso_time):
        assert rule(rule(text)) == rule(text)
    quality.plain_gtin(text)


def test_a_code_that_two_products_could_mean_is_left_alone() -> None:
    # Twelve digits: a whole UPC, or an EAN without its check digit.
    code = "036000291452"
    longer = code + quality.check_digit(code)
    codes: dict[str, str | None] = {f"gtin:{code:0>14}": "P1", f"gtin:{longer:0>14}": "P2", f"id:{code}": None}
    assert product_of(code, codes) == (code, None)
    assert product_of(code, {**codes, f"gtin:{longer:0>14}": None}) == ("P1", quality.PRODUCT_ID)
    assert product_of(code, {**codes, f"gtin:{code:0>14}": None}) == ("P2", quality.CHECK_DIGIT)


def test_the_catalogue_is_asked_about_nothing_but_gtins() -> None:
    lines = [{"product_id": "P100"}, {"product_id": 12345678}, {"product_id": True}, "nonsense", {}]
    assert codes_asked([{"lines": lines}]) == set()
    assert codes_asked(["nonsense", {"lines": "nonsense"}, {}]) == set()
    assert codes_asked([{"lines": [{"product_id": "6901234567892"}]}]) == {
        "id:6901234567892",
        "gtin:06901234567892",
        f"gtin:6901234567892{quality.check_digit('6901234567892')}",
    }


def test_every_rule_says_what_it_does() -> None:
    assert all(rule.says and rule.name == name for name, rule in quality.RULES.items())
    assert quality.rule_of("too_large").way == "refuse"


@pytest.mark.parametrize(
    ("user_agent", "crawls"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", True),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", True),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1",
            False,
        ),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0.0.0 Safari/537.36", False),
        ("MicroMessenger/8.0.49 NetType/WIFI Language/zh_CN", False),
        ("", False),
        (None, False),
    ],
)
def test_crawlers_are_told_from_shoppers(user_agent: str | None, crawls: bool) -> None:  # noqa: FBT001 (a case)
    assert is_bot(user_agent) is crawls
