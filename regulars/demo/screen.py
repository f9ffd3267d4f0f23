"""The screen that tells the demo's story: a person understands from it what the product does."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from regulars.demo.story import CampaignFacts, Offered, Story
from regulars.verification.report import Basis, Finding, Verification
from shared.money import major_text

Json = dict[str, Any]

URGENT_SHOWN = 10
REFUSALS = {
    "not_found": "there is no such code",
    "not_yet_valid": "the offer had not begun",
    "expired": "the offer was over",
    "withdrawn": "the code was withdrawn",
    "wrong_customer": "the code was somebody else's",
    "wrong_currency": "the basket was in another currency",
    "min_basket_not_met": "the basket was too small",
    "not_applicable": "nothing in the basket was on offer",
    "limit_reached": "it had been used as often as it may be",
}
"""Why a till's redemption was refused, by the refusal's code."""
TITLES = {"for-you": "for you", "discover": "to try for the first time"}


def show(console: Console, story: Story) -> None:
    """Print the whole story."""
    for title, told in (
        ("1  Nothing lost, nothing doubled", _events(story)),
        ("2  One customer, known", _customer(story)),
        ("3  What to recommend to them", _recommendations(story)),
        ("4  Who is about to leave", _warnings(story)),
        ("5  A campaign whose effect is measured", _campaign(story)),
        ("6  Every service, and the recount", _standing(story)),
    ):
        console.print(Panel(told, title=f"[bold]{title}[/]", title_align="left", padding=(1, 2)))


def _events(story: Story) -> RenderableType:
    span = f"{story.first_date:%d %B %Y} to {story.last_date:%d %B %Y}"
    told = Text.from_markup(
        f"A real year of a grocery chain (Complete Journey, moved to {span}): {story.households:,} households sent"
        f" [bold]{story.receipts:,}[/] receipts through ingest's HTTP API, {_rate(story):,.0f} a second."
    )
    table = _table("", "events", numbers=(1,))
    table.add_row("accepted and stored for good (receipts, products, stores, cardholders)", f"{story.accepted:,}")
    table.add_row("sent a second time on purpose", f"{story.repeats_sent:,}")
    table.add_row("  of them recognised as repeats and not counted again", f"{story.repeats_refused:,}")
    table.add_row("numbered by all services together, what they said themselves included", f"{story.numbered:,}")
    for service, events in story.applied.items():
        table.add_row(f"applied by {service}, each once", f"{events:,}")
    return Group(told, "", table)


def _rate(story: Story) -> float:
    return story.receipts / story.receipts_seconds if story.receipts_seconds else 0.0


def _customer(story: Story) -> RenderableType:
    profile = story.customer
    known = ", ".join(f"{each['namespace']} {each['masked']}" for each in profile["identifiers"])
    described = Text(profile["in_words"])
    favourites = ", ".join(each["category"].lower() for each in profile["favourite_categories"][:4])
    table = _table("", "")
    table.add_row("known by", known or "a card, not shown")
    table.add_row("as of", f"{story.cut_date:%d %B %Y}, the morning before the weeks that were held back")
    table.add_row("spends most on", favourites)
    table.add_row("recency, frequency, money", _rfm(profile["rfm"]))
    return Group(described, "", table)


def _rfm(rfm: Json | None) -> str:
    if rfm is None:
        return "not scored yet"
    cell = f", cell {rfm['cell']} of 555" if rfm["cell"] else ""
    return f"{rfm['recency_days']} days ago, {rfm['frequency']} visits{cell}"


def _recommendations(story: Story) -> RenderableType:
    told: list[RenderableType] = [
        "Asked that morning, at their usual store. ✓ marks what they then bought in the eight weeks held back."
    ]
    for offered in story.offered:
        told += ["", _offered(offered)]
    return Group(*told, "", _everybody(story))


def _everybody(story: Story) -> RenderableType:
    personal, popular = story.personal_hits, story.popular_hits
    typical, slowest = statistics.median(story.answer_ms), max(story.answer_ms)
    return Text.from_markup(
        f"All {len(story.answer_ms):,} active customers were asked for, one by one: {typical:.0f} ms an answer,"
        f" the slowest {slowest:.0f} ms. Of the {personal.customers:,} who came again [bold]{personal.share:.0%}[/]"
        f" bought something of their ten, {personal.mean_hits:.1f} of it on average; of the ten best sellers"
        f" {popular.share:.0%} did, {popular.mean_hits:.1f} on average."
    )


def _offered(offered: Offered) -> Table:
    hits = sum(item["id"] in offered.bought_later for item in offered.items)
    title = f"{TITLES[offered.placement]}: {hits} of {len(offered.items)} bought later"
    table = _table("", "product", "why", title=title)
    for item in offered.items:
        days = offered.bought_later.get(item["id"], 0)
        mark = "[green]✓[/]" if days else "·"
        table.add_row(mark, _product(item), item["reason"]["text"])
    return table


def _product(item: Json) -> str:
    product = item.get("product") or {}
    brand = (product.get("brand") or "").lower()
    own = ", own brand" if brand == "private" else ""
    return f"{product.get('name') or item['id']}{own}"


def _warnings(story: Story) -> RenderableType:
    warned, regulars = story.warned, story.regulars
    told = Text.from_markup(
        f"Of {warned.customers:,} customers warned about that morning, [bold]{warned.lost:,}"
        f" ({warned.share:.0%})[/] then stayed away longer than their own limit within the eight weeks; of all"
        f" {regulars.customers:,} regular customers {regulars.share:.0%} did."
    )
    table = _table("", "customer", "level", "when", "at risk", "why", title="the ten most urgent", numbers=(4,))
    for warning, lost in zip(story.warnings[:URGENT_SHOWN], story.urgent_lost, strict=False):
        low, high = warning["expected_weeks"]
        table.add_row(
            "[red]✓[/]" if lost else "·",
            f"…{warning['customer_id'][-6:]}",
            warning["level"],
            f"in {low} to {high} weeks" if low != high else f"in {low} weeks",
            _money(warning["value_at_risk_minor"], warning["currency"]),
            "; ".join(reason["text"] for reason in warning["reasons"][:2]),
        )
    return Group(told, "", table, "", "✓ marks those who really stayed away.")


def _campaign(story: Story) -> RenderableType:
    facts = story.campaign
    assert facts is not None
    return Group(
        _win_back(facts),
        "",
        Text.from_markup(
            "[bold]A/A on the real data[/]: all customers drawn into two groups treated alike, compared over"
            " the held-back weeks. Any difference is chance; nineteen times in twenty the interval has zero in it."
        ),
        _comparison(story.same_treatment),
        "",
        _simulated(story),
    )


def _win_back(facts: CampaignFacts) -> RenderableType:
    result = facts.result
    currency = result["currency"]
    table = _table("", "", numbers=(1,))
    table.add_row("audience", f"{facts.checked['audience']:,}")
    table.add_row("drawn at random to get nothing (hold-out)", f"{facts.arms.get('hold_out', 0):,}")
    table.add_row("treated, each with a code of their own", f"{facts.arms.get('treated', 0):,}")
    table.add_row("messages written", f"{sum(result['messages'].values()):,}")
    table.add_row("a code", facts.example_code or "none")
    basket = _money(facts.min_basket_minor, currency)
    table.add_row(f"treated who came again, with a real basket of {basket} or more", f"{facts.came_again:,}")
    table.add_row("  redeemed by some of them on that basket, at a simulated till", f"{result['redemptions']:,}")
    table.add_row("  what that took off", _money(result["discount_minor"], currency))
    table.add_row("  a code brought a second time on purpose", f"{facts.tried_again:,}")
    for code, count in sorted(facts.refused.items()):
        table.add_row(f"  refused: {REFUSALS.get(code, 'for a reason of its own')} ({code})", f"{count:,}")
    return Group(Text.from_markup(f"[bold]“{facts.name}”[/], {_audience(facts)}."), "", table)


def _audience(facts: CampaignFacts) -> str:
    segments = " or ".join(f"“{each['name']}” ({_lower_first(each['description'])})" for each in facts.segments)
    return f"for those who are in the segment {segments} and also under a churn warning of any level"


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _comparison(result: Json) -> RenderableType:
    currency = result["currency"]
    table = _table("", "customers", "bought", "spent each", numbers=(1, 2, 3))
    for name, label in (("treated", "one half"), ("hold_out", "the other half")):
        arm = result[name]
        spent = _money(arm["net_per_customer_minor"], currency)
        table.add_row(label, f"{arm['customers']:,}", f"{arm['buyer_share']:.1%}", spent)
    return Group(table, f"difference {_interval(result['spend_difference_minor'], currency)}: {result['reason']}")


def _simulated(story: Story) -> RenderableType:
    simulated = story.simulated
    spend = simulated["comparison"]["spend"]
    currency = story.same_treatment["currency"]
    return Text.from_markup(
        "[bold]A simulated response[/], labelled as one because replayed history cannot tell what a coupon would have"
        " changed: one half is given a made-up extra on top of its real spend.\n"
        f"true lift {_money(simulated['true_lift'], currency)} per customer;"
        f" estimated {_interval(spend, currency)}"
    )


def _interval(difference: Json, currency: str) -> str:
    if difference["low"] is None:
        return f"{_money(difference['value'], currency)} (too few customers for an interval)"
    low, high = (_money(difference[end], currency) for end in ("low", "high"))
    return f"{_money(difference['value'], currency)} per customer, 95 % interval {low} to {high}"


def _standing(story: Story) -> RenderableType:
    table = _table("service", "role", "state", "memory", "lag", numbers=(3, 4))
    for each in story.processes:
        lag = "" if each["lag_records"] is None else f"{each['lag_records']:,.0f} events"
        memory = "" if each["memory_mb"] is None else f"{each['memory_mb']:,} MB"
        table.add_row(each["service"], each["role"], each["state"], memory, lag)
    total = sum(each["memory_mb"] or 0 for each in story.processes)
    return Group(table, f"{total:,} MB in all", *_recount(story.verification))


def _recount(verification: Verification) -> Iterator[RenderableType]:
    for basis in Basis:
        yield ""
        yield f"{basis[0].upper()}{basis[1:]}:"
        yield _findings(verification.of(basis))


def _findings(findings: Iterable[Finding]) -> Table:
    """Return a line for each invariant that holds everywhere, and one for each place where it does not."""
    table = _table("", "", "", numbers=(2,))
    together: dict[str, list[Finding]] = {}
    for finding in findings:
        together.setdefault(finding.invariant, []).append(finding)
    for invariant, places in together.items():
        counted = [place.counted for place in places if place.counted is not None]
        mark = "[green]✓[/]" if all(place.holds for place in places) else "[red]✗[/]"
        table.add_row(mark, invariant, f"{sum(counted):,} counted" if any(counted) else "holds")
        for broken in (place for place in places if not place.holds):
            table.add_row("", f"  {broken.service}: {broken.sentence}", "")
    return table


def _money(amount: float, currency: str) -> str:
    return f"{'-' if amount < 0 else ''}{major_text(abs(round(amount)), currency)} {currency}"


def _table(*headings: str, title: str | None = None, numbers: Sequence[int] = ()) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, show_header=any(headings))
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place in numbers else "left", overflow="fold")
    return table
