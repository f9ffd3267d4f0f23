"""Settings, lock files, documents and targets say what the code says; and each check finds what it is for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from tools import agreement, service_settings


class TillSettings(BaseSettings):
    """Settings of a service made up for these tests."""

    model_config = SettingsConfigDict(env_prefix="TILL_")

    database_url: SecretStr = Field(description="address of the database")
    port: int = Field(default=8009, description="port of the API")
    verbose: bool = Field(default=False, description="say more")
    peers: dict[str, str] = Field(default_factory=dict, description="addresses")
    folder: Path | None = Field(default=None, description="where to write")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An almost empty project that the checks look at in place of this one."""
    monkeypatch.setattr(agreement, "ROOT", tmp_path)
    monkeypatch.setattr(agreement, "ADR", tmp_path / "docs" / "adr")
    monkeypatch.setattr(agreement, "ENV_EXAMPLE", tmp_path / ".env.example")
    monkeypatch.setattr(agreement, "services_there", lambda: service_settings.services_there(tmp_path))
    for folder in ("requirements", "docs/adr", "services/profile/migrations"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "Makefile").write_text(".PHONY: test\ntest:\n\ttrue\n")
    return tmp_path


@pytest.mark.parametrize("check", agreement.CHECKS.values(), ids=agreement.CHECKS.keys())
def test_the_project_agrees_with_itself(check: Callable[[], Iterator[str]]) -> None:
    assert not list(check())


def test_env_example_lists_required_settings_empty_and_others_with_their_default() -> None:
    text = service_settings.env_example({"till": TillSettings})
    assert text.endswith(
        "\n# till\n# address of the database\nTILL_DATABASE_URL=\n# port of the API\n# TILL_PORT=8009\n"
        "# say more\n# TILL_VERBOSE=false\n# addresses\n# TILL_PEERS={}\n# where to write\n# TILL_FOLDER=\n"
    )


def test_a_stale_env_example_is_found(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "settings_classes", lambda: {"till": TillSettings})
    assert list(agreement.stale_env_example())
    (project / ".env.example").write_text(service_settings.env_example({"till": TillSettings}))
    assert not list(agreement.stale_env_example())


def test_a_setting_without_description_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Vague(BaseSettings):
        speed: int = 1

    monkeypatch.setattr(agreement, "settings_classes", lambda: {"till": Vague})
    assert list(agreement.undescribed_settings()) == ["services/till/settings.py: speed has no description"]


def test_a_dependency_without_a_line_and_a_line_without_a_dependency_are_found(project: Path) -> None:
    (project / "requirements" / "runtime.in").write_text("# all\n-r base.in\nfastapi\nsqlalchemy[asyncio]\n")
    (project / "docs" / "dependencies.md").write_text("| `fastapi` | routes |\n| `flask` | routes |\n")
    assert list(agreement.undocumented_dependencies()) == [
        "docs/dependencies.md has no line for sqlalchemy",
        "docs/dependencies.md still tells of flask",
    ]


def test_an_import_that_the_image_does_not_install_is_found(project: Path) -> None:
    folder = project / "services" / "profile"
    (folder / "settings.py").write_text("import json\nimport typer\nfrom pydantic_settings import BaseSettings\n")
    (project / "requirements" / "runtime.txt").write_text("pydantic-settings==2.0 --hash=sha256:1\n")
    assert list(agreement.unlocked_imports()) == [
        "profile imports typer, which requirements/runtime.txt does not install"
    ]


@pytest.mark.parametrize("lock", ["fastapi==1\n", "--index-url https://example.org\nfastapi==1 --hash=sha256:1\n"])
def test_a_lock_without_hashes_or_with_an_address_is_found(project: Path, lock: str) -> None:
    (project / "requirements" / "runtime.in").write_text("fastapi\n")
    (project / "requirements" / "runtime.txt").write_text(lock)
    assert len(list(agreement.unhashed_locks())) == 1


def test_a_metric_that_nothing_measures_is_found(project: Path) -> None:
    folder = project / "services" / "profile"
    (folder / "settings.py").write_text("")
    (folder / "metrics.py").write_text('SEEN = Counter("seen", "")\nMISSED = Counter("missed", "")\n')
    (folder / "api.py").write_text("metrics.SEEN.inc()\n")
    (fault,) = agreement.silent_metrics()
    assert "MISSED" in fault


def test_a_make_target_that_does_not_exist_is_found_in_text_and_in_code(project: Path) -> None:
    (project / "README.md").write_text(
        "Run `make test` and\nmake sure that\n\n    make tea\n\n`make milk ARGS=--hot`\n"
    )
    (project / "docs" / "page.md").write_text("```\nmake coffee  # black\nmake water ARGS=x\n```\n")
    assert list(agreement.unknown_targets()) == [
        "README.md: make milk does not exist",
        "README.md: make tea does not exist",
        "docs/page.md: make coffee does not exist",
        "docs/page.md: make water does not exist",
    ]


def write_service(folder: Path, readme: str, *left_out: str) -> None:
    for name in agreement.SHAPE:
        if name not in left_out and name != "migrations":
            (folder / name).touch()
    (folder / "README.md").write_text(readme)


COMPLETE = "# profile\nOwns customers. Topics in and out. Settings. Failure modes.\n"


def test_a_missing_role_must_be_named_in_the_readme(project: Path) -> None:
    folder = project / "services" / "profile"
    write_service(folder, COMPLETE, "clients.py")
    assert [fault for fault in agreement.incomplete_services() if "clients.py" in fault]
    (folder / "README.md").write_text(COMPLETE + "No `clients.py`: it calls nobody.\n")
    assert not list(agreement.incomplete_services())


def test_a_module_that_became_a_package_is_no_missing_role(project: Path) -> None:
    folder = project / "services" / "profile"
    write_service(folder, COMPLETE, "api.py")
    (folder / "api").mkdir()
    (folder / "api" / "__init__.py").touch()
    assert not list(agreement.incomplete_services())


def test_a_readme_that_leaves_out_failure_modes_is_found(project: Path) -> None:
    write_service(project / "services" / "profile", COMPLETE.replace("Failure modes.", ""))
    assert list(agreement.incomplete_services()) == ["services/profile/README.md says nothing of: failure"]


def test_a_folder_of_modules_that_is_no_package_is_found(project: Path) -> None:
    (project / "services" / "profile" / "domain.py").touch()
    assert list(agreement.invisible_packages()) == ["services/profile has no __init__.py"]


def test_a_decision_missing_from_the_index_and_a_gap_in_the_numbers_are_found(project: Path) -> None:
    folder = project / "docs" / "adr"
    (folder / "README.md").write_text("- [Do this](0001-do-this.md)\n")
    (folder / "0001-do-this.md").write_text("# Do this\n\nStatus: accepted\n")
    assert not list(agreement.adr_index())
    (folder / "0003-do-that.md").write_text("# Do that\n")
    assert list(agreement.adr_index()) == [
        "docs/adr/0003-do-that.md: the next number is 0002",
        "docs/adr/README.md does not list [Do that](0003-do-that.md)",
        "docs/adr/0003-do-that.md has no status",
    ]


def test_a_dead_link_is_found_and_addresses_and_anchors_are_left_alone(project: Path) -> None:
    (project / "README.md").write_text("[a](docs/adr) [b](https://example.org) [c](#here) [d](docs/gone.md#x)\n")
    assert list(agreement.dead_links()) == ["README.md: the link to docs/gone.md#x leads nowhere"]
