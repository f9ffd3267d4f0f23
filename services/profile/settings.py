"""What the profile service is told from outside, under the prefix PROFILE_."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    """The common settings and how often the scheduled work of this service recurs."""

    model_config = SettingsConfigDict(env_prefix="PROFILE_")

    refresh_seconds: float = Field(
        default=1.0, ge=0.1, le=60, description="how often changed customers are folded and sorted into segments"
    )
    review_seconds: float = Field(
        default=30.0, ge=1, le=3600, description="how often customers are looked for whom time alone changed a stage"
    )
    rfm_seconds: float = Field(
        default=60.0, ge=1, le=86_400, description="how often the RFM quintiles are computed anew over all customers"
    )
    resolve_timeout_seconds: float = Field(
        default=2.0, gt=0, le=30, description="how long a look-up waits for ingest to resolve an identifier"
    )
