"""What the recommend service is told from outside, under the prefix RECOMMEND_."""

import base64
import binascii
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from services.recommend.domain.sharing import Share
from services.recommend.generators.switches import Switches, UnknownGeneratorError, switches_of
from shared.identity import BlindIndexKeys
from shared.settings import ServiceSettings, SettingsError


class Settings(ServiceSettings):
    """The common settings, the identifiers that may be resolved here, and how long an answer may wait for what."""

    model_config = SettingsConfigDict(env_prefix="RECOMMEND_")

    identity_keys: dict[str, SecretStr] = Field(
        description="JSON: namespace to blind-index key (base64), of loyalty_card and user_id only"
    )
    history_timeout_seconds: float = Field(
        default=0.08,
        gt=0,
        le=5,
        description="how long an answer waits for the customer's own purchases; then it is not personalised",
    )
    resolve_timeout_seconds: float = Field(
        default=0.05,
        gt=0,
        le=5,
        description="how long an answer waits for ingest to resolve a phone number or e-mail address",
    )
    wait_seconds: float = Field(
        default=0.12,
        gt=0,
        le=10,
        description="how long an answer waits in all for what is not in memory: whose, history, exposures, coupons",
    )
    customers_remembered_max: int = Field(
        default=1_000_000,
        ge=1,
        le=100_000_000,
        description="how many customers an API process keeps in memory; others are read when they are asked for",
    )
    share: str = Field(
        default="1/1",
        description="which customers an API process keeps in memory: k/n, by crc32 of the customer id modulo n",
    )
    history_old_seconds: float = Field(
        default=5.0,
        ge=1,
        le=3600,
        description="after how long without word from the database remembered histories count as old",
    )
    refresh_seconds: float = Field(
        default=60.0, ge=0.1, le=3600, description="how often popularity, prices and stock are read into memory"
    )
    model_check_seconds: float = Field(
        default=1.0, ge=0.05, le=60, description="how often the API looks whether another model was promoted"
    )
    experiments_check_seconds: float = Field(
        default=1.0, ge=0.05, le=60, description="how often the API looks which experiments run"
    )
    experiments_count_seconds: float = Field(
        default=300.0, ge=1, le=86_400, description="how often the worker counts what experiments have shown"
    )
    quality_seconds: float = Field(
        default=3600.0, ge=1, le=86_400, description="how often the worker works out the quality of the last days"
    )
    quality_window_days: int = Field(
        default=7, ge=1, le=28, description="a list is judged by the customer's first basket within so many days"
    )
    segments_seconds: float = Field(
        default=3600.0, ge=1, le=86_400, description="how often the worker counts what members of segments buy"
    )
    train_hour: int = Field(
        default=3, ge=-1, le=23, description="hour of the chain's day at which the worker trains; -1 for never"
    )
    train_limit_seconds: float = Field(
        default=7200.0, gt=0, le=86_400, description="after how long a nightly training is ended"
    )
    policy_check_seconds: float = Field(
        default=1.0, ge=0.05, le=60, description="how often the API looks whether rules or placements were changed"
    )
    shown_flush_seconds: float = Field(
        default=0.5, ge=0.05, le=60, description="how often what was recommended is written down"
    )
    shown_kept_days: int = Field(
        default=60, ge=1, le=400, description="days for which a click can be joined to what was recommended"
    )

    generators_off: list[str] = Field(
        default=[],
        description="JSON list: generators that a training leaves out; what is trained is served without them",
    )

    @field_validator("share")
    @classmethod
    def _is_a_share(cls, value: str) -> str:
        Share.parsed(value)
        return value

    @property
    def models_folder(self) -> Path:
        """The folder of trained versions."""
        return self.data_dir / "models"

    def switches(self) -> Switches:
        """Return which generators a training leaves out; raise SettingsError on a name that is none."""
        try:
            return switches_of(self.generators_off)
        except UnknownGeneratorError as error:
            raise SettingsError(f"RECOMMEND_GENERATORS_OFF names {error}") from error

    def blind_index_keys(self) -> BlindIndexKeys:
        """Return the keys this service may hold; raise SettingsError when one is no base64 of 32 bytes."""
        try:
            return BlindIndexKeys.from_namespaces(
                {
                    namespace: base64.b64decode(key.get_secret_value(), validate=True)
                    for namespace, key in self.identity_keys.items()
                }
            )
        except (binascii.Error, ValueError) as error:
            raise SettingsError(f"RECOMMEND_IDENTITY_KEYS is wrong: {error}") from error
