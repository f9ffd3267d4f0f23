"""Apache Kafka from its own jars, run by deploy/kafka/start.sh where Java and Maven are present."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from regulars import processes
from regulars.embedded.metadata import wait_until_answering
from regulars.errors import BrokerUnavailable, PortTaken, StartFailed
from regulars.ports import HOST, port_is_free

RECIPE = Path(__file__).resolve().parents[2] / "deploy" / "kafka"
_START_SECONDS = 90.0


def why_unavailable() -> str | None:
    """Say what is missing to run Apache Kafka here, or None when nothing is."""
    if not (RECIPE / "start.sh").is_file():
        return "deploy/kafka is not part of this installation"
    missing = [name for name, program in (("Java", "java"), ("Maven", "mvn")) if shutil.which(program) is None]
    return f"{' and '.join(missing)} not found" if missing else None


class ApacheKafka:
    """One KRaft node whose records live in DATA_DIR/kafka and outlive a restart.

    The controller listens on the client port + 1 unless another is given.
    """

    name = "Apache Kafka"

    def __init__(self, data_dir: Path, port: int, controller_port: int | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self.port = port
        self.controller_port = controller_port or port + 1
        self.log_file = self.data_dir / "logs" / "kafka.log"
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

    def fetch(self) -> None:
        """Fetch the jars where they are missing (tens of seconds, once). Raises BrokerUnavailable."""
        reason = why_unavailable()
        if reason is not None:
            raise BrokerUnavailable(f"Apache Kafka cannot run here: {reason}")
        fetched = subprocess.run(  # noqa: S603 - our own script
            [str(RECIPE / "start.sh"), "fetch"], check=False, capture_output=True, text=True
        )
        if fetched.returncode != 0:
            raise BrokerUnavailable(f"Kafka's jars could not be fetched:\n{fetched.stderr.strip()[-2000:]}")

    def start(self) -> None:
        """Start the broker on its records; return when it answers.

        Raises BrokerUnavailable, PortTaken, StartFailed.
        """
        if self.pid is not None:
            return
        self.fetch()
        for port, purpose in ((self.port, "broker"), (self.controller_port, "Kafka's controller")):
            if not port_is_free(port):
                raise PortTaken(port, purpose)
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self._process = processes.spawn(
            processes.Launch(
                [str(RECIPE / "start.sh")],
                log_file=self.log_file,
                env=self._environment(),
                cwd=self.data_dir,
            )
        )
        try:
            wait_until_answering(self._process, HOST, self.port, seconds=_START_SECONDS, log_file=self.log_file)
        except StartFailed:
            self._process = None
            raise

    def stop(self) -> None:
        """Stop cleanly."""
        if self._process is not None:
            processes.end(self._process, (signal.SIGTERM, 20.0), (signal.SIGKILL, 5.0))
        self._process = None

    def kill(self) -> None:
        """Crash the broker: SIGKILL. The records stay."""
        if self._process is not None:
            processes.end(self._process, (signal.SIGKILL, 5.0))
        self._process = None

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "KAFKA_DIR": str(self.data_dir / "kafka"),
            "KAFKA_PORT": str(self.port),
            "KAFKA_CONTROLLER_PORT": str(self.controller_port),
        }
