"""What campaign needs to know beside the settings of every service."""

import base64
import binascii
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from shared.identity import BlindIndexKeys
from shared.money import currency_exponent
from shared.settings import ServiceSettings, SettingsError


class Settings(ServiceSettings):
    """Read from the environment under `CAMPAIGN_`."""

    model_config = SettingsConfigDict(env_prefix="CAMPAIGN_", frozen=True, extra="ignore", hide_input_in_errors=True)

    identity_keys: dict[str, SecretStr] = Field(
        description="JSON: namespace to blind-index key (base64), of loyalty_card and user_id only"
    )
    resolve_timeout_seconds: float = Field(
        default=2.0, gt=0, le=30, description="how long a till waits for ingest to resolve a phone number or the like"
    )
    minor_per_point: int | None = Field(
        default=None, ge=1, description="net spend that earns one point, minor units; one major unit when not set"
    )
    points_valid_days: int = Field(default=365, ge=1, le=3650, description="days after which a point expires")
    messages_per_batch: int = Field(default=200, ge=1, le=2000, description="messages claimed and sent at a time")
    smtp_host: str | None = Field(default=None, description="mail server; without one e-mail campaigns are refused")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="port of the mail server")
    smtp_user: str | None = Field(default=None, description="user at the mail server, if it asks for one")
    smtp_password: SecretStr | None = Field(default=None, description="password at the mail server")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="how the connection to the mail server is protected"
    )
    smtp_sender: str | None = Field(
        default=None, description="From address of e-mails, such as Shop <news@shop.example>"
    )

    def point_unit_minor(self) -> int:
        """Return the net spend that earns one point, in minor units of the chain's currency."""
        return self.minor_per_point or 10 ** currency_exponent(self.currency)

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
            raise SettingsError(f"CAMPAIGN_IDENTITY_KEYS is wrong: {error}") from error
