"""What a service that serves or consumes does not load: each library would be held in memory by ten processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from regulars.services_table import SERVICES

ROOT = Path(__file__).resolve().parents[2]
MIGRATING = {"alembic", "sqlalchemy"}


@pytest.mark.parametrize("package", [service.package for service in SERVICES])
def test_nobody_loads_the_migration_libraries_to_serve(package: str) -> None:
    program = f"import sys, {package}.app; print(*sorted({MIGRATING!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []


def test_who_answers_with_recommendations_does_not_load_what_makes_a_trainings_table() -> None:
    program = "import sys, services.recommend.desk, services.recommend.api; print('polars' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.split() == ["False"]
