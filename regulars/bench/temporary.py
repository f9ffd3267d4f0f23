"""A deployment of a benchmark's own: started, measured while it starts and idles, and removed at the end."""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from regulars.background import running
from regulars.credentials import Credentials
from regulars.datasets.completejourney import CURRENCY, TIME_ZONE
from regulars.demo.databases import standing
from regulars.deployment import LOAD, UpOptions
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.errors import RegularsError
from regulars.folder import DataFolder
from regulars.ports import free_port_block
from regulars.signals import put_away_when_ended
from regulars.state import running_state
from regulars.status import ProcessStatus, collect

SETTLE_SECONDS = 180.0
POLL_SECONDS = 0.3

Say = Callable[[str], None]


class NeverSettled(RegularsError):
    """The services were still behind after three minutes."""


@dataclass(frozen=True)
class Temporary:
    """A running deployment with nothing in it. `up_seconds`: from the command until all were healthy."""

    folder: DataFolder
    credentials: Credentials
    up_seconds: float

    def address(self, service: str) -> str:
        return self.credentials.addresses[service]

    @property
    def headers(self) -> Mapping[str, str]:
        """The administrator's."""
        return {"Authorization": f"Bearer {self.credentials.api_key}"}

    def processes(self) -> Sequence[ProcessStatus]:
        """Return every process as `regulars status` shows it."""
        state = running_state(self.folder)
        return [] if state is None else collect(state)

    def settle(self) -> float:
        """Wait until every consumer has applied everything; return the seconds waited. Raises NeverSettled."""
        began = time.monotonic()
        while behind := asyncio.run(standing(self.credentials)).behind:
            if time.monotonic() - began > SETTLE_SECONDS:
                raise NeverSettled(f"still behind after {SETTLE_SECONDS:.0f} s: {behind}")
            time.sleep(POLL_SECONDS)
        return time.monotonic() - began


@contextmanager
def temporary_deployment(say: Say) -> Iterator[Temporary]:
    """Have all five services on loopback inside the block; nothing is left of them after it."""
    with put_away_when_ended(), tempfile.TemporaryDirectory(prefix="regulars bench ") as name:
        root = Path(name)
        # PostgreSQL runs as another user where we are root.
        root.chmod(0o711)
        options = UpOptions(DataFolder.of(root), free_port_block(), currency=CURRENCY, time_zone=TIME_ZONE)
        say("starting PostgreSQL, the broker and five services")
        began = time.monotonic()
        try:
            with running(options, lambda _: None, LOAD) as credentials:
                seconds = time.monotonic() - began
                say(f"healthy after {seconds:.1f} s")
                yield Temporary(options.folder, credentials, seconds)
                say("stopping everything")
        finally:
            EmbeddedPostgres(root, options.ports.postgres).destroy()
