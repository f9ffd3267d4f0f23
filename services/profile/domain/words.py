"""A profile in words, for a screen that a person reads."""
# ruff: noqa: RUF001 - Chinese has punctuation of its own.

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from services.profile.domain.profile import Profile
from services.profile.domain.purchases import Totals
from shared.money import major_text

FAVOURITES_NAMED = 3

_STAGES_EN = {
    "prospect": "Known, but has not bought yet",
    "new": "New customer",
    "active": "Active customer",
    "loyal": "Regular",
    "returned": "Customer who came back",
    "slipping": "Customer who is slipping away",
    "lost": "Lost customer",
}
_STAGES_ZH = {
    "prospect": "尚未购买的客户",
    "new": "新客户",
    "active": "活跃客户",
    "loyal": "老顾客",
    "returned": "回归客户",
    "slipping": "正在流失的客户",
    "lost": "已流失客户",
}


def in_words(profile: Profile, language: str = "en") -> str:
    """Return the profile as a few plain sentences in `language`: en, zh; any other is answered in English."""
    phrases = _LANGUAGES.get(language, _ENGLISH)
    return phrases.joined([sentence for sentence in phrases.sentences(profile) if sentence])


@dataclass(frozen=True, slots=True)
class _Phrases:
    sentences: Callable[[Profile], list[str]]
    gap: str

    def joined(self, sentences: list[str]) -> str:
        return self.gap.join(sentences)


def _english(profile: Profile) -> list[str]:
    standing = profile.standing
    main, habits = standing.totals.main, standing.habits
    stage = _STAGES_EN.get(standing.life.stage, standing.life.stage)
    first_at = standing.totals.first_at
    if first_at is None:
        return [f"{stage}."]
    sentences = [
        f"{stage}, first seen {first_at:%d %B %Y}.",
        f"{_plural(main.figures.receipts, 'visit')} worth {_money(main)} net"
        + (f", {_plural(main.figures.returns, 'return')}" if main.figures.returns else "")
        + _rhythm_en(habits.usual_gap_days),
    ]
    if habits.usual_store_id is not None:
        where = profile.usual_store_name or f"store {habits.usual_store_id}"
        share = f" ({habits.usual_store_share:.0%} of visits)"
        sentences.append(f"Mostly at {where}{share}, around {habits.usual_hour}:00.")
    sentences.append(_listed("Favourites: {}.", [each.category for each in profile.favourite_categories]))
    if standing.rfm is not None and standing.rfm.recency_days:
        sentences.append(f"Last bought {_plural(standing.rfm.recency_days, 'day')} ago.")
    sentences.append(_listed("In segments: {}.", [name.replace("_", " ") for name in standing.segments], 9))
    return sentences


def _chinese(profile: Profile) -> list[str]:
    standing = profile.standing
    main, habits = standing.totals.main, standing.habits
    stage = _STAGES_ZH.get(standing.life.stage, standing.life.stage)
    first_at = standing.totals.first_at
    if first_at is None:
        return [f"{stage}。"]
    figures = main.figures
    sentences = [
        f"{stage}，首次购买于{first_at.year}年{first_at.month}月{first_at.day}日。",
        f"共购买{figures.receipts}次，净消费{_money(main)}"
        + (f"，退货{figures.returns}次" if figures.returns else "")
        + (f"，约每{_days(habits.usual_gap_days)}天来一次。" if habits.usual_gap_days is not None else "。"),
    ]
    if habits.usual_store_id is not None:
        where = profile.usual_store_name or f"门店{habits.usual_store_id}"
        sentences.append(f"常去{where}（{habits.usual_store_share:.0%}），多在{habits.usual_hour}点。")
    names = [each.category for each in profile.favourite_categories[:FAVOURITES_NAMED]]
    if names:
        sentences.append(f"偏好：{'、'.join(names)}。")
    if standing.rfm is not None and standing.rfm.recency_days:
        sentences.append(f"上次购买在{standing.rfm.recency_days}天前。")
    return sentences


def _rhythm_en(gap_days: float | None) -> str:
    if gap_days is None:
        return "."
    if gap_days <= 1:
        return ", buys about every day."
    return f", buys about every {_days(gap_days)} days."


def _days(gap_days: float) -> str:
    return f"{gap_days:g}"


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _money(totals: Totals) -> str:
    return f"{totals.currency} {major_text(totals.figures.net_minor, totals.currency)}"


def _listed(template: str, names: list[str], limit: int = FAVOURITES_NAMED) -> str:
    return template.format(", ".join(names[:limit])) if names else ""


_ENGLISH = _Phrases(_english, " ")
_LANGUAGES: Mapping[str, _Phrases] = {"en": _ENGLISH, "zh": _Phrases(_chinese, "")}
