"""What the churn service is told from outside, under the prefix CHURN_."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The common settings, how often customers are scored, and how many of them are warned of."""

    model_config = SettingsConfigDict(env_prefix="CHURN_")

    score_every_days: int = Field(default=7, ge=1, le=28, description="days between two scheduled scorings")
    score_poll_seconds: float = Field(
        default=1.0,
        ge=0.1,
        le=60,
        description="how often the worker looks for a scoring that was asked for or is due",
    )
    score_wait_seconds: float = Field(
        default=60.0, ge=0, le=600, description="how long POST /v1/score waits for the worker before it answers 202"
    )
    score_history_weeks: int = Field(default=104, ge=4, le=520, description="weeks for which old scores are kept")
    warning_share: float = Field(
        default=0.05, gt=0, le=1, description="new warnings of one scoring, as a share of the regular customers"
    )
    cooldown_days: int = Field(
        default=28, ge=0, le=365, description="days after a warning's end before the customer is warned of again"
    )
    category_level: int = Field(
        default=2, ge=1, le=10, description="which of a product's categories counts, 1 being the department"
    )
