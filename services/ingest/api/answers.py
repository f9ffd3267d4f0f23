"""From results to answers, and the bodies of hand-read routes for the OpenAPI document."""

from collections.abc import Iterable
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.ingest.drafts import Result


def answer(results: Iterable[Result], **more: object) -> Any:  # noqa: ANN401 (a Response, documented as a model)
    """Write the results; the shape is `ResultsOut`'s, written without building five hundred models."""
    document = {
        **more,
        "results": [
            {
                "message_id": one.message_id,
                "status": one.status,
                "code": one.code,
                "message": one.message,
                "field": one.field,
            }
            for one in results
        ],
    }
    return Response(orjson.dumps(document), media_type="application/json")


def body_of(one: type[BaseModel], many: type[BaseModel] | None = None, example: object = None) -> dict[str, Any]:
    """Describe a body that the route reads by itself: one item, or several."""
    models = [one] if many is None else [one, many]
    schemas, definitions = models_json_schema([(model, "validation") for model in models])
    shapes = [schemas[model, "validation"] for model in models]
    schema = {"anyOf": shapes, "$defs": definitions.get("$defs", {})}
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"requestBody": {"required": True, "content": {"application/json": content}}}
