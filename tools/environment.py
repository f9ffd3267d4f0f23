"""Makes `.venv` from the lock files: pip brings a pinned uv, uv brings the rest, all of it checked by hash.

Run from the root of the repository as `python3 tools/environment.py GROUP STAMP`, with the standard library
alone; GROUP names requirements/GROUP.txt. Package index addresses are a matter of the machine: they are
handed from pip's configuration to uv and never printed.
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(".venv")
LOCK = Path(".venv.lock")
BOOTSTRAP = "requirements/bootstrap.txt"
ADDRESS = re.compile(r"\b(?:https?|ftp|file)://[^\s`'\"<>]+")


class SetupError(Exception):
    """The environment could not be made; the message says what to do."""


def main(group: str, stamp: Path) -> int:
    """Install `group`, touch `stamp` and return the exit code."""
    try:
        with one_at_a_time():
            make_environment(group, stamp)
    except SetupError as error:
        print(f"environment: {error}", file=sys.stderr)
        return 1
    return 0


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Wait until no other `make` in this folder is changing the environment."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_environment(group: str, stamp: Path) -> None:
    if not is_usable(FOLDER):
        create(FOLDER)
    print(f"environment: installing requirements/{group}.txt (minutes, the first time)", flush=True)
    python = python_of(FOLDER)
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run([*pip, "--require-hashes", "-r", BOOTSTRAP])
    uv = [python, "-m", "uv", "pip", "install", "--quiet", "--python", python]
    # Compiled once here, and not in each of a deployment's processes where none may write beside the libraries.
    run([*uv, "--require-hashes", "--compile-bytecode", "-r", f"requirements/{group}.txt"])
    run([*uv, "--no-build-isolation", "--no-deps", "--no-index", "--editable", "."])
    stamp.touch()
    print("environment: ready", flush=True)


def python_of(folder: Path) -> str:
    return str(folder.absolute() / "bin" / "python")


def is_usable(folder: Path) -> bool:
    """Tell whether `folder` was made at this very place: a moved or copied environment points elsewhere."""
    record = folder / "pyvenv.cfg"
    if not record.is_file() or not Path(python_of(folder)).exists():
        return False
    made_at = re.search(r"^command = .* -m venv (?:--\S+ )*(.+)$", record.read_text(), re.MULTILINE)
    if made_at is None or Path(made_at[1]) != folder.absolute():
        return False
    works = [python_of(folder), "-m", "pip", "--version"]
    return subprocess.run(works, capture_output=True, check=False).returncode == 0


def create(folder: Path) -> None:
    """Make an empty environment in place of whatever is there; raise `SetupError` where Python cannot."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "venv", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise SetupError(
            f"{sys.executable} -m venv failed; on Debian and Ubuntu `apt-get install python3-venv` adds what "
            f"is missing.\n{without_addresses(done.stdout + done.stderr)}"
        )


def run(command: list[str]) -> None:
    """Run an installer and show what it says, without addresses; raise `SetupError` when it fails."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=installer_environment(),
        check=False,
    )
    sys.stderr.write(without_addresses(done.stdout))
    if done.returncode:
        raise SetupError("an installation failed, see above; is a package index within reach?")


def without_addresses(text: str) -> str:
    return ADDRESS.sub("[address]", text)


def installer_environment() -> Mapping[str, str]:
    """Return the process environment, with pip's index and certificate for uv where it has none itself."""
    environment = dict(os.environ)
    environment.pop("VIRTUAL_ENV", None)
    environment.setdefault("UV_LINK_MODE", "copy")  # Hard links fail across file systems, with a warning each.
    if not os.access(Path.home(), os.W_OK):
        environment.setdefault("UV_NO_CACHE", "1")
    pairs = {"UV_DEFAULT_INDEX": "index-url", "UV_INDEX": "extra-index-url", "SSL_CERT_FILE": "cert"}
    for variable, option in pairs.items():
        if variable not in environment and (value := pip_option(option)):
            environment[variable] = value
    return environment


def pip_option(option: str) -> str:
    """Return what pip is configured to use, by environment or file, or an empty string."""
    variable = "PIP_" + option.upper().replace("-", "_")
    if variable in os.environ:
        return os.environ[variable]
    command = [python_of(FOLDER), "-m", "pip", "config", "get", f"global.{option}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
