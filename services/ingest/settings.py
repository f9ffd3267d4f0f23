"""What ingest is told by its environment (INGEST_…)."""

import base64
import binascii
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.ingest.domain.policy import Policy
from shared.settings import ServiceSettings

_KEY_BYTES = 32


def _thirty_two_bytes(secret: SecretStr) -> SecretStr:
    try:
        length = len(base64.b64decode(secret.get_secret_value(), validate=True))
    except binascii.Error as error:
        raise ValueError("is no base64 text; make one with: openssl rand -base64 32") from error
    if length != _KEY_BYTES:
        raise ValueError(f"holds {length} bytes, needs {_KEY_BYTES}; make one with: openssl rand -base64 32")
    return secret


class BootstrapSource(BaseModel):
    """A source that exists from the first start, its key made elsewhere."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    kind: Literal["pos", "server", "import", "web", "app"]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the write key, hex")]


class Settings(ServiceSettings):
    """Settings of ingest."""

    model_config = SettingsConfigDict(env_prefix="INGEST_")

    deployment_key: Annotated[SecretStr, AfterValidator(_thirty_two_bytes)] = Field(
        description="base64 of 32 random bytes: blind indexes and the vault hang on it; lose it and all is lost"
    )
    vault_database_url: SecretStr = Field(description="postgresql:// address of the vault of keys")
    bootstrap_sources: list[BootstrapSource] = Field(
        default_factory=list, description="JSON: sources made or renewed by migrate, [{id, kind, digest}]"
    )
    erasure_ledger: Path | None = Field(
        default=None,
        description="file of hashes of who was erased, outside of all back-ups; erasures.ledger in DATA_DIR",
    )
    erasure_peers: list[str] = Field(
        default=["profile", "recommend", "churn", "campaign"],
        description="JSON: services that confirm an erasure; those that PEERS names no address of are left out",
    )
    originals_kept_days: Annotated[int, Field(ge=1, le=36500)] = Field(
        default=400, description="days after which an input as it came, sealed, is deleted; its event stays"
    )
    refusals_kept_days: Annotated[int, Field(ge=1, le=36500)] = Field(
        default=400, description="days after which a refused input, sealed, is deleted"
    )
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = Field(
        default="CN", description="ISO 3166 country of phone numbers that name none"
    )

    phone_fresh_days: Annotated[int, Field(ge=30, le=3650)] = Field(
        default=180, description="days of silence after which a phone number with another loyalty card is re-issued"
    )

    receipts_per_day_max: Annotated[int, Field(ge=0)] = Field(
        default=0, description="receipts a day past which an identifier is put into quarantine; 0: not looked at"
    )
    tills_per_hour_max: Annotated[int, Field(ge=0)] = Field(
        default=0, description="tills an hour past which an identifier is put into quarantine; 0: not looked at"
    )

    @property
    def identity_policy(self) -> Policy:
        return Policy({"phone": self.phone_fresh_days}, self.receipts_per_day_max, self.tills_per_hour_max)

    @property
    def erasure_ledger_path(self) -> Path:
        return self.erasure_ledger or self.data_dir / "erasures.ledger"

    @property
    def deployment_key_bytes(self) -> bytes:
        return base64.b64decode(self.deployment_key.get_secret_value())
