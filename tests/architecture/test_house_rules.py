"""The house rules hold on the project, and each finds exactly the lines that its sample marks."""

import re
from pathlib import Path

import pytest

from tools.house_rules import ROOT, RULES, Finding, check_source, check_tree

SAMPLES = Path(__file__).parent / "bad_samples" / "rules"
PLACE = "# lies at: "
MARK = "# breaks the rule"


def findings_in(sample: Path) -> list[Finding]:
    """Check a sample as if it lay where its first line says."""
    source = re.sub(MARK + ".*", "", sample.read_text(encoding="utf-8"))
    place = source.splitlines()[0].removeprefix(PLACE).strip()
    return check_source(place, source)


def marked_lines(sample: Path) -> set[int]:
    lines = sample.read_text(encoding="utf-8").splitlines()
    return {number for number, line in enumerate(lines, 1) if MARK in line}


def test_the_project_keeps_the_house_rules() -> None:
    assert not [str(finding) for finding in check_tree(ROOT)]


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_a_rule_finds_the_marked_lines_of_its_sample_and_no_others(sample: Path) -> None:
    found = {(finding.rule.name, finding.line) for finding in findings_in(sample)}
    assert found == {(sample.stem, line) for line in marked_lines(sample)}


def test_every_rule_has_a_sample() -> None:
    assert {rule.name for rule in RULES} == {sample.stem for sample in SAMPLES.glob("*.py")}


def test_the_clock_module_may_read_the_clock() -> None:
    assert not check_source("shared/clock.py", "import time\nnow = time.time()\n")


def test_the_database_module_may_commit() -> None:
    assert not check_source("shared/db.py", "connection.commit()\n")


def test_settings_modules_and_the_command_line_may_read_the_environment() -> None:
    source = "import os\nfolder = os.environ['HOME']\n"
    assert not check_source("services/profile/settings.py", source)
    assert not check_source("regulars/supervisor.py", source)
    assert check_source("services/profile/app.py", source)


def test_a_vague_package_name_is_found_as_well_as_a_module() -> None:
    assert check_source("services/profile/helpers/money.py", "")


def test_a_file_that_cannot_be_parsed_is_a_finding_and_not_a_crash() -> None:
    (finding,) = check_source("services/profile/domain.py", "def broken(:\n")
    assert (finding.rule.name, finding.line) == ("syntax", 1)


def test_a_finding_reads_as_place_rule_and_remedy() -> None:
    (finding,) = check_source("services/profile/app.py", "print('hello')\n")
    assert str(finding) == "services/profile/app.py:1: print: processes log; only the command line prints"
