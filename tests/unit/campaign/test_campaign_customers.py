"""Whom a caller means, and the settings that decide what this service may derive."""

import base64
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.campaign.errors import BadIdentifier, IngestAway
from services.campaign.handlers.customers import Customers, Who
from services.campaign.settings import Settings
from shared.customers.resolver import InvalidLookup, ResolverAway
from shared.settings import SettingsError


class Unassigned:
    """A database in which every subject is its own customer."""

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        return []


class Resolver:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.subject_id = uuid4()
        self.error: Exception | None = None

    async def subject_of(self, namespace: str, value: str) -> UUID:
        self.asked.append((namespace, value))
        if self.error is not None:
            raise self.error
        return self.subject_id


async def found(who: Who, resolver: Resolver) -> UUID | None:
    return await Customers(resolver).find(Unassigned(), who)  # type: ignore[arg-type]


async def test_an_identifier_is_resolved_as_it_was_given() -> None:
    resolver = Resolver()
    assert await found(Who(identifier=("phone", "139 1234 5678")), resolver) == resolver.subject_id
    assert resolver.asked == [("phone", "139 1234 5678")]


async def test_one_that_cannot_stand_for_a_person_is_refused_with_the_reason() -> None:
    resolver = Resolver()
    resolver.error = InvalidLookup("is a placeholder", field="/identifier")
    with pytest.raises(BadIdentifier, match="is a placeholder") as refused:
        await found(Who(identifier=("loyalty_card", "000000")), resolver)
    assert refused.value.field == "/identifier"


async def test_when_nobody_can_say_whose_it_is_the_till_is_told_to_ask_again() -> None:
    resolver = Resolver()
    resolver.error = ResolverAway("not now", retry_after_seconds=3)
    with pytest.raises(IngestAway) as away:
        await found(Who(identifier=("phone", "1")), resolver)
    assert away.value.retry_after_seconds == 3


async def test_nobody_named_is_nobody() -> None:
    assert await found(Who(), Resolver()) is None


def settings(folder: Path, **changed: Any) -> Settings:
    values: dict[str, Any] = {
        "database_url": "postgresql://nowhere",
        "bootstrap_servers": "127.0.0.1:1",
        "port": 8005,
        "keys_file": folder / "keys.json",
        "service_key": "unused",
        "data_dir": folder,
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "identity_keys": {"loyalty_card": base64.b64encode(b"k" * 32).decode()},
    }
    return Settings(**{**values, **changed})


@pytest.mark.parametrize(("currency", "unit_minor"), [("CNY", 100), ("JPY", 1), ("KWD", 1000)])
def test_a_point_is_a_major_unit_of_the_chain_s_currency(tmp_path: Path, currency: str, unit_minor: int) -> None:
    assert settings(tmp_path, currency=currency).point_unit_minor() == unit_minor
    assert settings(tmp_path, currency=currency, minor_per_point=50).point_unit_minor() == 50


@pytest.mark.parametrize("key", ["no base64!", base64.b64encode(b"short").decode()])
def test_a_key_that_is_none_stops_the_start_without_being_shown(tmp_path: Path, key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(tmp_path, identity_keys={"loyalty_card": key}).blind_index_keys()
    assert key not in str(refused.value)
    assert "CAMPAIGN_IDENTITY_KEYS" in str(refused.value)
