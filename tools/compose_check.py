"""Checks docker-compose.yml without an engine: its form, its safety, and that it agrees with the services."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from jsonschema import Draft202012Validator
from pydantic_settings import BaseSettings

from tools.service_settings import ROOT, is_secret, services_there, variables

Compose = Mapping[str, Any]
FILE = ROOT / "docker-compose.yml"
SIZE = {"type": "string", "pattern": r"^\d+[mg]$"}
DURATION = {"type": "string", "pattern": r"^\d+(ms|s|m)$"}
TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
CONDITIONS = ("service_healthy", "service_completed_successfully", "service_started")
LOGGING = {
    "type": "object",
    "required": ["driver", "options"],
    "properties": {"options": {"type": "object", "required": ["max-size", "max-file"]}},
}
HEALTHCHECK = {
    "oneOf": [
        {"type": "object", "required": ["disable"], "properties": {"disable": {"const": True}}, "maxProperties": 1},
        {
            "type": "object",
            "required": ["test", "interval", "timeout", "retries", "start_period"],
            "additionalProperties": False,
            "properties": {
                "test": TEXTS,
                "retries": {"type": "integer"},
                **dict.fromkeys(("interval", "timeout", "start_period", "start_interval"), DURATION),
            },
        },
    ]
}
BUILD = {
    "type": "object",
    "required": ["context", "dockerfile", "args"],
    "additionalProperties": False,
    "properties": {
        "context": {"const": "."},
        "dockerfile": {"const": "deploy/Dockerfile"},
        "args": {
            "type": "object",
            "required": ["SERVICE", "REQUIREMENTS"],
            "properties": {"REQUIREMENTS": {"enum": ["runtime", "ml"]}},
        },
    },
}
# What every service must say, and all that it may say.
SERVICE_SCHEMA = {
    "type": "object",
    "required": [
        *("image", "restart", "healthcheck", "mem_limit", "cpus", "pids_limit"),
        *("init", "read_only", "cap_drop", "security_opt", "logging"),
    ],
    "additionalProperties": False,
    "properties": {
        "image": {"type": "string", "pattern": r".+:.+"},
        "build": BUILD,
        "command": TEXTS,
        "user": {"type": "string", "pattern": r"^\d+:\d+$"},
        "restart": {"enum": ["no", "unless-stopped"]},
        "stop_grace_period": DURATION,
        "shm_size": SIZE,
        "mem_limit": SIZE,
        "cpus": {"type": "number"},
        "pids_limit": {"type": "integer"},
        "init": {"const": True},
        "read_only": {"type": "boolean"},
        "tmpfs": TEXTS,
        "cap_drop": {"const": ["ALL"]},
        "security_opt": {"const": ["no-new-privileges:true"]},
        "logging": LOGGING,
        "healthcheck": HEALTHCHECK,
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "secrets": {"type": "array"},
        "volumes": TEXTS,
        "ports": {"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
        "profiles": TEXTS,
        "depends_on": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["condition"],
                "properties": {"condition": {"enum": list(CONDITIONS)}},
            },
        },
    },
}
# The image of Kafka renders its configuration into its own folders.
WRITABLE = frozenset({"kafka"})
ROLES = ("migrate", "api", "worker")


def load(file: Path = FILE) -> Compose:
    compose: Compose = yaml.safe_load(file.read_text(encoding="utf-8"))
    return compose


def faults(compose: Compose, settings: Mapping[str, type[BaseSettings]]) -> Iterator[str]:
    """Yield every way in which the file is malformed, unsafe or at odds with the services' settings."""
    malformed = list(_malformed(compose))
    if malformed:
        yield from malformed
        return
    for name, service in compose["services"].items():
        yield from _unsafe(name, service)
        yield from _broken_dependencies(name, service, compose["services"])
    yield from _undeclared(compose)
    yield from _missing_roles(compose["services"])
    for service, known in settings.items():
        for name in (name for name in compose["services"] if name.startswith(f"{service}-")):
            yield from _settings_at_odds(name, compose["services"][name], known)
            yield from _ports_at_odds(name, service, compose["services"][name])
            yield from _unknown_peers(name, service, compose["services"])


def _malformed(compose: Compose) -> Iterator[str]:
    validator = Draft202012Validator(SERVICE_SCHEMA)
    for name, service in compose["services"].items():
        for error in validator.iter_errors(service):
            yield f"{name}: {error.json_path}: {error.message}"


def _unsafe(name: str, service: Mapping[str, Any]) -> Iterator[str]:
    if not service["read_only"] and name not in WRITABLE:
        yield f"{name}: its file system must be read-only"
    if service["restart"] != "no" and "disable" in service["healthcheck"]:
        yield f"{name}: what runs for ever needs a health check"


def _broken_dependencies(
    name: str, service: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    for other, how in service.get("depends_on", {}).items():
        if other not in services:
            yield f"{name}: depends on {other}, which is not there"
            continue
        ends = services[other].get("restart") == "no"
        if ends != (how["condition"] == "service_completed_successfully"):
            yield f"{name}: {how['condition']} never comes true for {other}"


def _undeclared(compose: Compose) -> Iterator[str]:
    secrets, volumes = compose["secrets"], compose["volumes"]
    used = {_source(each) for service in compose["services"].values() for each in service.get("secrets", ())}
    yield from (f"secret {name} is used but not declared" for name in sorted(used - set(secrets)))
    yield from (f"secret {name} is declared but not used" for name in sorted(set(secrets) - used))
    for name, service in compose["services"].items():
        for source in (volume.partition(":")[0] for volume in service.get("volumes", ())):
            if source.startswith("./"):
                if not source.startswith("./deploy/secrets") and not (ROOT / source).exists():
                    yield f"{name}: mounts {source}, which is not there"
            elif source not in volumes:
                yield f"{name}: volume {source} is not declared"


def _source(secret: str | Mapping[str, str]) -> str:
    return secret if isinstance(secret, str) else secret["source"]


def _missing_roles(services: Mapping[str, Any]) -> Iterator[str]:
    for service in services_there():
        trains = (ROOT / "services" / service / "training.py").exists()
        for role in (*ROLES, *(["train"] if trains else [])):
            found = services.get(f"{service}-{role}")
            if found is None:
                yield f"{service}-{role} is missing"
            elif found["command"] != [role] or found["build"]["args"]["SERVICE"] != service:
                yield f"{service}-{role} runs another service or role"


def _settings_at_odds(name: str, service: Mapping[str, Any], known: type[BaseSettings]) -> Iterator[str]:
    fields = variables(known)
    plain = set(service.get("environment", {}))
    as_files = {each["target"] for each in service.get("secrets", ())}
    yield from (f"{name}: {variable} is no setting" for variable in sorted((plain | as_files) - set(fields)))
    required = {variable for variable, field in fields.items() if field.is_required()}
    yield from (f"{name}: {variable} is required" for variable in sorted(required - plain - as_files))
    open_secrets = {variable for variable in plain & set(fields) if is_secret(fields[variable])}
    yield from (f"{name}: {variable} is secret and belongs in a file" for variable in sorted(open_secrets))


def _ports_at_odds(name: str, service: str, definition: Mapping[str, Any]) -> Iterator[str]:
    setting = "WORKER_PORT" if name.endswith("-worker") else "PORT"
    port = definition["environment"].get(f"{service.upper()}_{setting}")
    asked = definition["healthcheck"].get("test", [None, None, port])[2]
    published = [each.rpartition(":")[2] for each in definition.get("ports", [])] or [port]
    if {asked, *published} != {port}:
        yield f"{name}: listens on {port}, but {asked} is asked for its health and {published} published"


def _unknown_peers(name: str, service: str, services: Mapping[str, Any]) -> Iterator[str]:
    text = services[name]["environment"].get(f"{service.upper()}_PEERS", "{}")
    for peer, address in json.loads(text).items():
        parts = urlsplit(address)
        there = services.get(parts.hostname or "", {}).get("environment", {})
        if there.get(f"{peer.upper()}_PORT") != str(parts.port):
            yield f"{name}: nothing of {peer} answers at {address}"


def interpolated(text: str) -> Sequence[str]:
    """Return the variables that a compose file takes from the environment."""
    return sorted(set(re.findall(r"\$\{(\w+)", text)))
