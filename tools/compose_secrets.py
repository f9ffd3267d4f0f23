"""Makes what docker-compose.yml needs to be secret, once: passwords, keys and the file of API keys.

The folder is closed to others (0700). The files in it are readable by all, because containers run under
their own user ids and see the files as they are.
"""

import base64
import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

from shared.identity import BlindIndexKeys
from shared.keys import issue_key, write_keys

FOLDER = Path(__file__).parents[1] / "deploy" / "secrets"
SERVICES = ("ingest", "profile", "recommend", "churn", "campaign")
DATABASES = {**{f"{service}_database": service for service in SERVICES}, "ingest_vault_database": "ingest_vault"}
DEPLOYMENT_KEY_BYTES = 32
# The namespaces whose numbers are never issued again; only these keys leave ingest.
LENT_NAMESPACES = ("loyalty_card", "user_id")
LENT_TO = ("recommend", "campaign")


def passwords_and_addresses() -> Mapping[str, str]:
    """Return a password and the matching DSN for every database, by file name."""
    files = {"postgres_password": secrets.token_urlsafe(32)}
    for setting, name in DATABASES.items():
        password = secrets.token_urlsafe(32)
        files[f"{setting}_password"] = password
        files[f"{setting}_url"] = f"postgresql://{name}:{password}@postgres:5432/{name}"
    return files


def identity_keys() -> Mapping[str, str]:
    """Return ingest's deployment key and the two keys derived from it that other services hold."""
    deployment_key = secrets.token_bytes(DEPLOYMENT_KEY_BYTES)
    keys = BlindIndexKeys.from_deployment_key(deployment_key)
    lent = json.dumps({name: base64.b64encode(keys.namespace_key(name)).decode() for name in LENT_NAMESPACES})
    encoded = base64.b64encode(deployment_key).decode()
    return {"ingest_deployment_key": encoded, **{f"{service}_identity_keys": lent for service in LENT_TO}}


def write_secrets(folder: Path) -> None:
    """Write every file. Raises FileExistsError when the folder is there: lost keys cannot be made again."""
    folder.mkdir(mode=0o700)
    keys_folder = folder / "keys"
    keys_folder.mkdir()
    issued = {service: issue_key("service", service) for service in SERVICES}
    administrator, entry = issue_key("administrator", "administrator")
    write_keys(keys_folder / "keys.json", [entry, *(entry for _, entry in issued.values())])
    files = {
        **passwords_and_addresses(),
        **identity_keys(),
        **{f"{service}_service_key": key for service, (key, _) in issued.items()},
        "administrator_key": administrator,
    }
    for name, value in files.items():
        (folder / name).write_text(value, encoding="utf-8")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def main() -> int:
    try:
        write_secrets(FOLDER)
    except FileExistsError:
        print(f"{FOLDER} is there and stays as it is: data is encrypted with the keys in it", file=sys.stderr)
        return 1
    print(f"written to {FOLDER}; back it up apart from the data. API key: {FOLDER / 'administrator_key'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
