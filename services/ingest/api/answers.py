"""From results to answers, and the bodies of hand-read routes for the OpenAPI document."""

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel

from services.ingest.drafts import Result


def answer(results: Iterable[Result], **more: object) -> Response:
    """Write the results; the shape is `ResultsOut`'s, written without building five hundred models."""
    document = {
        **more,
        "results": [_result(one) for one in results],
    }
    return Response(orjson.dumps(document), media_type="application/json")


def _result(one: Result) -> dict[str, object]:
    shown: dict[str, object] = {
        "message_id": one.message_id,
        "status": one.status,
        "code": one.code,
        "message": one.message,
        "field": one.field,
    }
    if one.corrections:
        shown["corrections"] = [{"rule": each.rule, "field": each.field} for each in one.corrections]
    return shown


def body_of(one: type[BaseModel], many: type[BaseModel] | None = None, *, example: object = None) -> dict[str, Any]:
    """Describe a body that the route reads by itself: one item, or several."""
    shapes = [_inlined(model.model_json_schema()) for model in (one, many) if model is not None]
    content: dict[str, Any] = {"schema": shapes[0] if many is None else {"anyOf": shapes}}
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Put definitions where they are referred to: a reference would mean another place in the whole document."""
    definitions = schema.pop("$defs", {})

    def inline(part: Any) -> Any:  # noqa: ANN401 (any JSON schema)
        if isinstance(part, list):
            return [inline(inner) for inner in part]
        if not isinstance(part, dict):
            return part
        name = str(part.get("$ref", "")).removeprefix("#/$defs/")
        if name in definitions:
            return inline({**definitions[name], **{key: part[key] for key in part if key != "$ref"}})
        return {key: inline(inner) for key, inner in part.items()}

    inlined: dict[str, Any] = inline(schema)
    return inlined
