"""Owns a trained model as files of the registry, and what its manifest says of it."""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from services.churn.candidate import CODE_VERSION, Candidate
from services.churn.features import FAMILIES, Features
from services.churn.history import date_of
from services.churn.logistic import Logistic
from services.churn.scorer import Head, Model, Trees, family_contributions
from shared.registry import Manifest, Metric

SERVICE = "churn"
CHALLENGERS = "challengers.json"
FACTORS = "factors.json"
HEADS = ("hazard", "lapse28", "partial56")


class OutdatedModel(Exception):
    """The model was trained on other features or labels than this code computes."""


def files_of(model: Model, newest: Features) -> dict[str, bytes]:
    """Write the model, and what drives its scores over the customers of `newest`."""
    challengers = {name: one.as_json() for name, one in model.challengers.items()}
    files = {CHALLENGERS: json.dumps(challengers).encode(), FACTORS: json.dumps(factors(model, newest)).encode()}
    for name in HEADS:
        head = getattr(model, name)
        if isinstance(head, Trees):
            files[f"{name}.txt"] = head.text.encode()
        else:
            files[f"{name}.json"] = json.dumps(head.as_json()).encode()
    return files


def model_of(manifest: Manifest, files: Mapping[str, bytes]) -> Model:
    """Read a model back; it scores exactly as the one that was written. Raises OutdatedModel."""
    if manifest.code_version != CODE_VERSION:
        raise OutdatedModel(f"{manifest.version} is of {manifest.code_version}, this code of {CODE_VERSION}")
    challengers = {name: Logistic.of_json(data) for name, data in json.loads(files[CHALLENGERS]).items()}
    return Model(**{name: _head(name, files) for name in HEADS}, challengers=challengers)


def _head(name: str, files: Mapping[str, bytes]) -> Head:
    if f"{name}.txt" in files:
        return Trees(files[f"{name}.txt"].decode())
    return Logistic.of_json(json.loads(files[f"{name}.json"]))


def factors(model: Model, newest: Features) -> list[dict[str, Any]]:
    """Return each family's part in the scores: the mean size of its contribution to the log-odds, largest first."""
    parts = family_contributions(model.hazard, newest)[newest.visited][:, : len(FAMILIES)]
    size = np.abs(parts - parts.mean(axis=0)).mean(axis=0)
    total = float(size.sum()) or 1.0
    rows = [
        {"family": family, "contribution": float(one), "share": float(one) / total}
        for family, one in zip(FAMILIES, size, strict=True)
    ]
    return sorted(rows, key=lambda row: -row["share"])


def manifest_of(candidate: Candidate, at: datetime) -> Manifest:
    """Describe a candidate: its data, its figures on held-out days with intervals, and the gate's verdict."""
    data = candidate.description["data"]
    parameters = {
        **candidate.description["parameters"],
        "held_out_from": date_of(data["held_out_from"]).isoformat(),
        "customers": data["customers"],
        "visits": data["visits"],
        "gate": {"passed": candidate.verdict.passed, "failures": list(candidate.verdict.failures)},
    }
    return Manifest(
        service=SERVICE,
        created_at=at.isoformat(),
        window_from=date_of(data["first_day"]).isoformat(),
        window_until=date_of(candidate.end - 1).isoformat(),
        code_version=candidate.description["code_version"],
        parameters=parameters,
        metrics=dict(_metrics(candidate.figures)),
        segments=_segments(candidate.figures),
    )


def _metrics(figures: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Metric]]:
    """Yield `lapse28.auc` and its like; a figure that could not be computed is left out."""
    for label, part in figures.items():
        for name in ("rows", "base", "auc", "ap", "brier", "ece"):
            value = part[name]
            if value is not None and math.isfinite(value):
                low, high = part.get(f"{name}_interval", (value, value))
                yield f"{label}.{name}", Metric(float(value), float(low), float(high))


def _segments(figures: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Metric]]:
    segments: dict[str, dict[str, Metric]] = {}
    for label, part in figures.items():
        for tier, value in enumerate(part["auc_by_value_tier"]):
            if value is not None and math.isfinite(value):
                segments.setdefault(f"value_tier_{tier}", {})[f"{label}.auc"] = Metric(value, value, value)
    return segments
