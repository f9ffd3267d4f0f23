"""Every import contract holds on the project, and each is broken by a sample made to break it."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / ".importlinter"
SAMPLES = Path(__file__).parent / "bad_samples" / "imports"
GOOD_TREE = SAMPLES / "good_tree"
BAD_SAMPLES = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir() and path != GOOD_TREE)
SECTION = "importlinter:contract:"


def contract_names() -> dict[str, str]:
    """Return contract id → name as .importlinter declares them."""
    config = configparser.ConfigParser()
    config.read(CONFIG)
    sections = (section for section in config.sections() if section.startswith(SECTION))
    return {section.removeprefix(SECTION): config[section]["name"] for section in sections}


def contract_of(sample: str) -> str:
    """Return the contract that a sample is to break: the longest id that its folder's name starts with."""
    return max((name for name in contract_names() if sample.startswith(name)), key=len, default="")


def lint(tree: Path) -> str:
    """Run the project's contracts on `tree` and return the report."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tree), str(ROOT))), "COLUMNS": "200"}
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", program, "--config", str(CONFIG), "--no-cache"]
    done = subprocess.run(  # noqa: PLW1510 - a broken contract is a result here
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


def broken(report: str) -> set[str]:
    """Return the ids of the contracts that a report calls broken."""
    assert "Contracts:" in report, report
    kept = {name for name in contract_names().values() if re.search(re.escape(name) + r"\s*KEPT", report)}
    return {contract for contract, name in contract_names().items() if name not in kept}


def overlay(sample: str, folder: Path) -> Path:
    """Copy the good tree into `folder` and lay the sample's files over it."""
    tree = folder / "tree"
    shutil.copytree(GOOD_TREE, tree)
    shutil.copytree(SAMPLES / sample, tree, dirs_exist_ok=True)
    return tree


def test_the_project_keeps_every_contract() -> None:
    report = lint(ROOT)
    assert not broken(report), report


def test_a_well_made_tree_keeps_every_contract() -> None:
    report = lint(GOOD_TREE)
    assert not broken(report), report


@pytest.mark.parametrize("sample", BAD_SAMPLES)
def test_a_bad_sample_breaks_its_contract_and_no_other(sample: str, tmp_path: Path) -> None:
    report = lint(overlay(sample, tmp_path))
    assert broken(report) == {contract_of(sample)}, report


def test_every_contract_has_a_bad_sample() -> None:
    assert {contract_of(sample) for sample in BAD_SAMPLES} == set(contract_names())


def named_modules() -> Iterator[str]:
    """Yield every module of shared that a contract names; which services there are is fixed."""
    config = configparser.ConfigParser()
    config.read(CONFIG)
    for contract in contract_names():
        for option in ("source_modules", "forbidden_modules", "allowed_importers", "protected_modules"):
            for name in config[SECTION + contract].get(option, "").split():
                if name.startswith("shared.") and "*" not in name:
                    yield name


@pytest.mark.parametrize("module", sorted(set(named_modules())))
def test_a_module_that_a_contract_names_is_not_a_name_of_the_past(module: str) -> None:
    path = ROOT.joinpath(*module.split("."))
    assert path.is_dir() or path.with_suffix(".py").is_file()
