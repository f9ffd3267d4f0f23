"""Finds the services and their settings classes, and writes .env.example from them."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

ROOT = Path(__file__).parents[1]
SERVICES = ("ingest", "profile", "recommend", "churn", "campaign")
HEADER = """\
# Every setting of every service, written by `make settings`; do not edit.
# Those without a value are required. `regulars up` sets all of them; docker-compose.yml sets what it needs
# and takes the secret ones from files in deploy/secrets/.

# docker-compose.yml
# ISO 4217 code of the chain's figures
CURRENCY=
# IANA zone of the chain's days
TIME_ZONE=
# JSON: topic to days that its events are kept, where not the catalogue's; `regulars up` takes it too
# RETENTION_DAYS=
# OTLP/HTTP address that all services send spans to, and the share of traces of which they make some
# TRACES_URL=
# TRACES_SHARE=0.1
# tag of the images
# REGULARS_VERSION=local
"""


def services_there(root: Path = ROOT) -> list[str]:
    """Return the services whose folder has settings, in the order of their ports."""
    return [name for name in SERVICES if (root / "services" / name / "settings.py").is_file()]


def settings_classes() -> Mapping[str, type[BaseSettings]]:
    """Return service → its class `Settings`. Raises TypeError where it is none of pydantic's."""
    classes = {}
    for service in services_there():
        found = importlib.import_module(f"services.{service}.settings").Settings
        if not issubclass(found, BaseSettings):
            raise TypeError(f"services.{service}.settings.Settings must be a pydantic BaseSettings")
        classes[service] = found
    return classes


def variables(settings: type[BaseSettings]) -> Mapping[str, FieldInfo]:
    """Return environment variable → field, in the class's order."""
    prefix = settings.model_config.get("env_prefix", "")
    return {f"{prefix}{name}".upper(): field for name, field in settings.model_fields.items()}


def is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def env_example(classes: Mapping[str, type[BaseSettings]]) -> str:
    """Return the whole text of .env.example."""
    return HEADER + "".join(_group(service, settings) for service, settings in classes.items())


def _group(service: str, settings: type[BaseSettings]) -> str:
    lines = ["", f"# {service}"]
    for variable, field in variables(settings).items():
        lines += [f"# {field.description or ''}".rstrip(), _assignment(variable, field)]
    return "\n".join(lines) + "\n"


def _assignment(variable: str, field: FieldInfo) -> str:
    if field.is_required():
        return f"{variable}="
    return f"# {variable}={_text(field.get_default(call_default_factory=True, validated_data={}))}"


def _text(value: Any) -> str:  # noqa: ANN401 - the default of any field
    if value is None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool | Mapping | list | tuple):
        return json.dumps(value, default=str)
    return str(value)
