"""What the demo found out, fact by fact: what the screen tells and `--json` prints."""

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any, Self

from regulars.demo.hindsight import CameTrue, Hits
from regulars.verification.report import Verification

Json = dict[str, Any]


@dataclass(slots=True)
class Offered:
    """A list of recommendations; `bought_later`: product id → days on which the customer then bought it."""

    placement: str
    items: list[Json]
    fallback_level: int | str
    model_version: str | None
    bought_later: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, placement: str, answer: Json) -> Self:
        return cls(placement, answer["items"], answer["fallback_level"], answer["model_version"])


@dataclass(slots=True)
class CampaignFacts:
    """The real campaign: who, who not, and what the tills did with the codes.

    `segments` are the audience's, as profile describes them. `came_again`: treated customers with a real basket of
    `min_basket_minor` or more in the held-back weeks. `refused` counts refusals by their codes.
    """

    name: str
    segments: list[Json]
    checked: Json
    arms: dict[str, int]
    min_basket_minor: int
    example_code: str = ""
    came_again: int = 0
    tried_again: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    result: Json = field(default_factory=dict)


@dataclass(slots=True)
class Story:
    """Everything, in the order in which it happens."""

    households: int
    first_date: date
    cut_date: date
    last_date: date
    seconds: dict[str, float] = field(default_factory=dict)
    accepted: int = 0
    receipts: int = 0
    receipts_seconds: float = 0.0
    repeats_sent: int = 0
    repeats_refused: int = 0
    numbered: int = 0
    applied: dict[str, int] = field(default_factory=dict)
    card: str = ""
    customer: Json = field(default_factory=dict)
    offered: list[Offered] = field(default_factory=list)
    answer_ms: list[float] = field(default_factory=list)
    personal_hits: Hits = field(default_factory=lambda: Hits(0, 0, 0.0))
    popular_hits: Hits = field(default_factory=lambda: Hits(0, 0, 0.0))
    scored: Json = field(default_factory=dict)
    warnings: list[Json] = field(default_factory=list)
    urgent_lost: list[bool] = field(default_factory=list)
    warned: CameTrue = field(default_factory=lambda: CameTrue(0, 0))
    regulars: CameTrue = field(default_factory=lambda: CameTrue(0, 0))
    campaign: CampaignFacts | None = None
    same_treatment: Json = field(default_factory=dict)
    simulated: Json = field(default_factory=dict)
    processes: list[Json] = field(default_factory=list)
    verification: Verification = field(default_factory=lambda: Verification(()))

    def document(self) -> Json:
        """Return the story as one JSON document."""
        dates = {name: getattr(self, name).isoformat() for name in ("first_date", "cut_date", "last_date")}
        return asdict(self) | dates | {"verification": self.verification.document()}
