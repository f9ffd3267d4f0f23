"""The database passwords of a deployment, random, made once, in a file for its owner alone."""

import json
import secrets
from pathlib import Path

from regulars.files import write_private

_RANDOM_BYTES = 24


class PasswordFile:
    """Role to password, kept in one JSON file (0600)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self) -> bool:
        return self._path.exists()

    def known(self) -> dict[str, str]:
        try:
            passwords: dict[str, str] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return passwords

    def get_or_make(self, role: str) -> str:
        passwords = self.known()
        if role not in passwords:
            passwords[role] = secrets.token_urlsafe(_RANDOM_BYTES)
            write_private(self._path, json.dumps(passwords, indent=2) + "\n")
        return passwords[role]

    def delete(self) -> None:
        self._path.unlink(missing_ok=True)
