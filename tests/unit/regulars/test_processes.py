"""Children: leash, identity, bounded end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from regulars import processes
from regulars.processes import Launch, ProcessIdentity

SLEEP = "import time; time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "a log.txt"


@pytest.fixture
def sleeper(log_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = processes.spawn(Launch([sys.executable, "-c", SLEEP], log_file=log_file))
    yield process
    processes.end(process, (signal.SIGKILL, 5.0))


def _wait_for_text(path: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in path.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_output_is_appended_to_the_log(log_file: Path) -> None:
    for word in ("first", "second"):
        child = processes.spawn(Launch([sys.executable, "-c", f"print('{word}')"], log_file=log_file))
        assert child.wait(10) == 0
    assert log_file.read_text().split() == ["first", "second"]
    assert log_file.stat().st_mode & 0o777 == 0o600


def test_a_child_has_a_session_of_its_own(sleeper: subprocess.Popen[bytes]) -> None:
    assert os.getsid(sleeper.pid) == sleeper.pid


def test_a_missing_program_is_an_error_at_once(log_file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        processes.spawn(Launch(["/no/such/program"], log_file=log_file))


def test_an_identity_finds_its_process_while_it_lives(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessIdentity.of(sleeper.pid)
    assert identity.process() == psutil.Process(sleeper.pid)
    sleeper.kill()
    sleeper.wait()
    assert identity.process() is None


def test_a_pid_used_again_is_not_the_same_process(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessIdentity.of(sleeper.pid)
    assert ProcessIdentity(identity.pid, identity.started_at - 100).process() is None


def test_a_zombie_is_gone(sleeper: subprocess.Popen[bytes]) -> None:
    identity = ProcessIdentity.of(sleeper.pid)
    sleeper.kill()
    deadline = time.monotonic() + 5
    while identity.process() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert psutil.Process(sleeper.pid).status() == psutil.STATUS_ZOMBIE


def test_a_deaf_process_is_killed_after_its_time(log_file: Path) -> None:
    deaf = processes.spawn(Launch([sys.executable, "-c", DEAF], log_file=log_file))
    _wait_for_text(log_file, "deaf")
    assert processes.end(deaf, (signal.SIGTERM, 0.2), (signal.SIGKILL, 5.0))
    assert deaf.returncode == -signal.SIGKILL


def test_ending_a_process_twice_is_no_error(sleeper: subprocess.Popen[bytes]) -> None:
    assert processes.end(sleeper)
    assert processes.end(sleeper)


@pytest.mark.skipif(sys.platform != "linux", reason="the leash is the Linux kernel's")
def test_a_child_ends_with_a_killed_starter(tmp_path: Path) -> None:
    starter_code = (
        "import sys, time; from pathlib import Path; from regulars import processes as p\n"
        f"child = p.spawn(p.Launch([sys.executable, '-c', {SLEEP!r}], log_file=Path({str(tmp_path / 'c')!r})))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", starter_code], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        child = psutil.Process(int(starter.stdout.readline()))
        starter.kill()
    child.wait(10)
    assert not child.is_running()


def test_processes_are_found_by_their_folder(tmp_path: Path, log_file: Path) -> None:
    child = processes.spawn(Launch([sys.executable, "-c", SLEEP], log_file=log_file, cwd=tmp_path))
    try:
        assert [process.pid for process in processes.processes_in_folder(tmp_path)] == [child.pid]
    finally:
        processes.end(child, (signal.SIGKILL, 5.0))
    assert processes.processes_in_folder(tmp_path) == []


def test_the_tail_of_a_log_is_its_last_lines(log_file: Path) -> None:
    assert processes.log_tail(log_file) == ""
    log_file.write_text("\n".join(str(number) for number in range(100)))
    assert processes.log_tail(log_file, 3) == "97\n98\n99"
