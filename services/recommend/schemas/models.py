"""Trained versions: figures, the shadow, trainings."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.recommend.handlers.models import Standing
from services.recommend.schemas.asking import Asked
from services.recommend.store.models import ShadowSums, Training
from shared.registry import Change, Manifest, Metric

CHANGES_SHOWN = 20


class MetricOut(BaseModel):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, metric: Metric) -> "MetricOut":
        return cls(value=metric.value, low=metric.low, high=metric.high)


class ShadowIn(Asked):
    """How much is answered once more. Every list takes the time of two, after it was answered."""

    share: float = Field(default=0.05, gt=0, le=1, description="of the lists")


class ShadowedOut(BaseModel):
    version: str
    share: float


class ShadowOut(BaseModel):
    """How a version did beside the one in use, over all lists that both made; null until there is one."""

    active: bool
    share: float = Field(description="of the lists; 0 where it is not in the shadow now")
    lists: int
    agreement: float | None = Field(description="share of products that both lists hold")
    took_ms: float | None = Field(description="mean processor time of a list")
    in_use_ms: float | None = Field(description="the same of the version in use")
    failures: int
    dropped: int = Field(description="lists left out because too many waited")

    @classmethod
    def of(cls, version: str, standing: Standing) -> "ShadowOut | None":
        row, sums = standing.shadow, standing.found.get(version, ShadowSums())
        is_active = row is not None and row.version == version
        if not is_active and version not in standing.found:
            return None
        return cls(
            active=is_active,
            share=row.share if row is not None and is_active else 0.0,
            lists=sums.lists,
            agreement=sums.agreement / sums.lists if sums.lists else None,
            took_ms=sums.took_ms / sums.lists if sums.lists else None,
            in_use_ms=sums.in_use_ms / sums.lists if sums.lists else None,
            failures=sums.failures,
            dropped=sums.dropped,
        )


class TrainingOut(BaseModel):
    """The last training that the schedule started."""

    state: Literal["running", "done", "kept_back", "failed"]
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    said: str = Field(description="its last line")

    @classmethod
    def of(cls, training: Training | None) -> "TrainingOut | None":
        if training is None:
            return None
        return cls.model_validate(
            {
                "state": training.state,
                "started_at": training.started_at,
                "finished_at": training.finished_at,
                "said": training.said,
            }
        )


class ModelOut(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    version: str
    in_use: bool
    created_at: AwareDatetime
    window_from: AwareDatetime
    window_until: AwareDatetime
    code_version: str
    parameters: dict[str, Any] = Field(
        description="how it was trained, and what that cost: training_seconds, training_cpu_seconds, peak_memory_mb"
    )
    metrics: dict[str, MetricOut]
    segments: dict[str, dict[str, MetricOut]] = Field(
        description="the same for the thirds of customers with the fewest baskets (light), middle, and heavy"
    )
    shadow: ShadowOut | None

    @classmethod
    def of(cls, manifest: Manifest, current: str | None, shadow: ShadowOut | None) -> "ModelOut":
        return cls.model_validate(
            {
                "version": manifest.version,
                "in_use": manifest.version == current,
                "created_at": manifest.created_at,
                "window_from": manifest.window_from,
                "window_until": manifest.window_until,
                "code_version": manifest.code_version,
                "parameters": dict(manifest.parameters),
                "metrics": _metrics(manifest.metrics),
                "segments": {name: _metrics(figures) for name, figures in manifest.segments.items()},
                "shadow": shadow,
            }
        )


def _metrics(figures: Mapping[str, Metric]) -> dict[str, MetricOut]:
    return {name: MetricOut.of(metric) for name, metric in figures.items()}


class ChangeOut(BaseModel):
    """A request to change what is in use, and what became of it; of a refusal `before` and `in_use` are the same."""

    action: Literal["promoted", "refused", "rolled_back"]
    version: str = Field(description="the version that was to come into use")
    before: str | None = Field(description="what was in use until then")
    in_use: str | None = Field(description="what was in use afterwards")
    reason: str
    actor: str = Field(description="the name of the key, or `training`")
    at: AwareDatetime | None = Field(description="null where it was not said")

    @classmethod
    def of(cls, change: Change) -> "ChangeOut":
        return cls.model_validate(asdict(change) | {"at": change.at or None})


class ModelsOut(BaseModel):
    serving: str = Field(description="the version that this process answers from; `untrained` before the first")
    training: TrainingOut | None
    models: list[ModelOut] = Field(description="newest first")
    changes: list[ChangeOut] = Field(description="the last promotions, refusals and rollbacks, the latest first")


class RollbackIn(Asked):
    """Name the version that is to be left, so that a repeated request does not go back twice."""

    leaving: str | None = Field(
        default=None, min_length=1, max_length=128, description="refused where another version is in use by now"
    )


class PromotedOut(BaseModel):
    version: str
    reason: str
