"""Turning a campaign's template into a message.

Templates are written by users. Jinja's sandbox keeps them from reaching out, but not from a loop or a product that
never ends, so they are also kept to a small part of the language: values, conditions and a few filters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2 import Template as CompiledTemplate
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from services.campaign.domain.campaigns import Plan, Template
from services.campaign.errors import BadTemplate
from shared.money import major_text

TEXT_CHARS_MAX = 20_000
_FILTERS = frozenset({"upper", "lower", "title", "capitalize", "trim", "default"})
_NODES = (
    *(nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.CondExpr, nodes.Filter),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
)
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
_SAMPLE_CODE = "7K3M-Q9TD-0WXA"


@dataclass(frozen=True, slots=True)
class Text:
    """A message as it is sent; plain text."""

    subject: str
    body: str


def render(template: Template, values: Mapping[str, object]) -> Text:
    """Fill the template in.

    Raises BadTemplate when it does not parse, uses a value that does not exist, or comes out empty or too long.
    """
    subject = _rendered(template.subject, values, "/template/subject")
    # A line break in a subject would begin another header.
    return Text(" ".join(subject.split()), _rendered(template.body, values, "/template/body"))


def _rendered(source: str, values: Mapping[str, object], field: str) -> str:
    try:
        text = _compiled(source).render(values)
    except (TemplateError, TypeError, ValueError) as error:
        raise BadTemplate(f"the template does not work: {error}", field=field) from error
    if len(text) > TEXT_CHARS_MAX:
        raise BadTemplate(f"the text has {len(text)} characters, at most {TEXT_CHARS_MAX} are sent", field=field)
    return text


@lru_cache(maxsize=64)
def _compiled(source: str) -> CompiledTemplate:
    """Compile once per campaign, not per message."""
    tree = _ENVIRONMENT.parse(source)
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _NODES):
            raise SecurityError(f"it may not use {type(node).__name__.lower()}")
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise SecurityError(f"it may not use the filter {node.name}")
    return _ENVIRONMENT.from_string(tree)


def values_for(plan: Plan, code: str | None, currency: str) -> dict[str, object]:
    """Return what a template may use: campaign, code, discount, valid_from, valid_until."""
    offer = plan.offer
    return {
        "campaign": plan.name,
        "code": code or "",
        "discount": discount_text(plan, currency),
        "valid_from": offer.valid_from.date().isoformat() if offer else "",
        "valid_until": offer.valid_until.date().isoformat() if offer else "",
    }


def discount_text(plan: Plan, currency: str) -> str:
    if plan.offer is None:
        return ""
    if plan.offer.percent is not None:
        return f"{plan.offer.percent} %"
    return f"{major_text(plan.offer.amount_minor or 0, currency)} {currency}"


def check(plan: Plan, currency: str) -> None:
    """Raise BadTemplate unless the plan's template works on a sample."""
    if plan.template is None:
        return
    text = render(plan.template, values_for(plan, _SAMPLE_CODE, currency))
    if not text.body.strip():
        raise BadTemplate("the message would be empty", field="/template/body")
    if plan.channel == "email" and not text.subject:
        raise BadTemplate("an e-mail needs a subject", field="/template/subject")
