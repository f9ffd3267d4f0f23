"""The table and the document that `regulars bench` prints."""

import json
import subprocess
import sys

import pytest

from regulars.bench.cpu import spent
from regulars.bench.figures import Bare, Figure, Report, Sense, Target
from regulars.bench.names import Bench
from regulars.child import PROJECT_ROOT
from regulars.cli.bench import cells, document, number, show

RATE = Figure("receipts accepted", 412.34, "receipts/s", Target(Sense.AT_LEAST, 800), Bare("raw inserts", 5340))
QUIET = Report("ingest", "ten receipts", [RATE], seconds=12, load_before=0.1)
BUSY = Report(
    "campaign", "eight tills", [Figure("over the cap", 0, "", Target(Sense.AT_MOST, 0))], 3, load_before=7.5
)


def test_a_row_has_target_and_ratio_beside_the_figure() -> None:
    assert cells(RATE) == ("receipts accepted", "412 receipts/s", "≥ 800 MISSED", "5,340", "0.0772")
    assert cells(Figure("over the cap", 0, "", Target(Sense.AT_MOST, 0), note="of 500")) == (
        "over the cap (of 500)",
        "0",
        "≤ 0 met",
        "",
        "",
    )


@pytest.mark.parametrize(("value", "text"), [(0.07716, "0.0772"), (12345.6, "12,346"), (5, "5"), (1.5, "1.5")])
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_one_table_shows_all_and_says_when_the_machine_was_busy(capsys: pytest.CaptureFixture[str]) -> None:
    show([QUIET, BUSY])
    shown = capsys.readouterr().out
    assert "MISSED" in shown
    assert "ingest: ten receipts. Bare limit: raw inserts. Took 12 s.\n" in shown
    assert "The machine was busy before it began (load 7.5)" in " ".join(shown.split())


def test_the_document_is_json_with_the_machine() -> None:
    written = json.loads(json.dumps(document([QUIET, BUSY])))
    assert [each["bench"] for each in written["benches"]] == ["ingest", "campaign"]
    assert written["machine"]["cores"] > 0


def test_an_unknown_benchmark_is_wrong_usage() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "regulars", "bench", "no-such"], check=False, capture_output=True, cwd=PROJECT_ROOT
    )
    assert result.returncode == 2


def test_make_bench_runs_every_one() -> None:
    recipe = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")
    assert "/regulars bench up $(SERVICES) lookup demo $(ARGS)" in recipe
    (services,) = [line for line in recipe.splitlines() if line.startswith("SERVICES := ")]
    assert {"up", "lookup", "demo", *services.removeprefix("SERVICES := ").split()} == set(Bench)


def test_processor_time_is_what_was_used_in_between() -> None:
    before = {"ingest api": 2.0, "profile worker": 5.0}
    after = {"ingest api": 2.5, "profile worker": 1.0, "churn worker": 3.0}
    assert spent(before, after) == {"churn worker": 3.0, "profile worker": 1.0, "ingest api": 0.5}
    assert next(iter(spent(before, after))) == "churn worker"
