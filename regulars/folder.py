"""The data folder: where a deployment keeps what it knows, and who may start things in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from regulars.errors import AlreadyRunning

DEFAULT = Path(".regulars")


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths inside DATA_DIR. `of` is the way in: it makes the path absolute."""

    root: Path

    @classmethod
    def of(cls, root: Path) -> "DataFolder":
        return cls(root.expanduser().resolve())

    @property
    def credentials_file(self) -> Path:
        return self.root / "credentials.json"

    @property
    def keys_file(self) -> Path:
        return self.root / "keys.json"

    @property
    def clock_offset_file(self) -> Path:
        return self.root / "clock-offset.json"

    @property
    def deployment_file(self) -> Path:
        return self.root / "deployment.json"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def state_file(self) -> Path:
        return self.root / "run" / "state.json"

    @property
    def lock_file(self) -> Path:
        return self.root / "run" / "supervisor.lock"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    def service_folder(self, service: str) -> Path:
        return self.root / "services" / service

    def log_file(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Make the folder and what is private in it; a folder that exists keeps its mode."""
        self.root.mkdir(parents=True, exist_ok=True)
        for folder in (self.secrets, self.logs, self.state_file.parent, self.root / "services"):
            folder.mkdir(exist_ok=True, mode=0o700)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one supervisor. Raises AlreadyRunning when another holds it.

        The lock ends with the process, however that ends; children do not inherit it.
        """
        self.make()
        handle = os.open(self.lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunning(
                    f"regulars is already running on {self.root}; see `regulars status`, stop it by `regulars down`"
                ) from None
            yield
        finally:
            os.close(handle)
