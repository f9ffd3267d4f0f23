"""What a source has said about its own messages: crawlers it does not want, and its tracking plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.ingest.domain.bots import BotFilter, is_bot
from services.ingest.domain.faults import Dropped, Refused
from services.ingest.domain.plans import Action, Violation
from services.ingest.drafts import Context
from services.ingest.mapping.messages import Message
from services.ingest.mapping.reading import BOT

OFF_PLAN = "off_plan"


@dataclass(frozen=True, slots=True)
class Vetted:
    """A message that may pass, and what was noticed about it."""

    violations: tuple[Violation, ...] = ()
    is_bot: bool = False


_CLEAN = Vetted()


def vet(message: Message, context: Context) -> Vetted:
    """Hold a message against its source's bot filter and plan. Raises Refused, or Dropped."""
    source = context.source
    if source.bot_filter is BotFilter.OFF and source.plan is None:
        return _CLEAN
    is_crawler = source.bot_filter is not BotFilter.OFF and is_bot(_user_agent(message, context))
    if is_crawler and source.bot_filter is BotFilter.DROP:
        raise Dropped(BOT, "comes from a known crawler, and this source drops those", "/context/userAgent")
    return Vetted(_violations(message, context), is_crawler)


def _user_agent(message: Message, context: Context) -> str | None:
    """Return what the device calls itself; a server that sends for its customers is no crawler."""
    said = message.context.get("userAgent")
    return said if isinstance(said, str) and said else context.user_agent


def _violations(message: Message, context: Context) -> tuple[Violation, ...]:
    plan = context.source.plan
    if plan is None:
        return ()
    name, place, fields = _planned_part(message)
    judgement = plan.judge(name, fields)
    if judgement.action is Action.ALLOW or not judgement.violations:
        return judgement.violations
    first = judgement.violations[0]
    error = Dropped if judgement.action is Action.DROP else Refused
    field = "/event" if first.rule == "unplanned" else place + first.pointer
    raise error(
        OFF_PLAN, f"is not as the source's tracking plan has it: {first.message}", field, judgement.violations
    )


def _planned_part(message: Message) -> tuple[str, str, Mapping[str, Any]]:
    """Return a message's name in plans, and the part of it that a schema is of."""
    if message.type == "track":
        return message.name or "", "/properties", message.properties
    if message.type in {"identify", "group"}:
        return f"${message.type}", "/traits", message.traits
    return f"${message.type}", "/properties", message.properties
