"""`regulars models|promote|rollback`, against services that answer as the real ones do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from typer.testing import CliRunner

from regulars.cli import models
from regulars.credentials import Credentials
from regulars.errors import RegularsError
from regulars.folder import DataFolder

CLIENT = httpx.Client
VERSION = "20261101T000000000000-aaaaaaaa"
FIGURE = {"value": 0.24321, "low": 0.23, "high": 0.25}
RECOMMEND = {
    "serving": VERSION,
    "models": [
        {"version": "newer", "in_use": False, "window_until": "2026-11-08T00:00:00Z", "metrics": {}},
        {
            "version": VERSION,
            "in_use": True,
            "window_until": "2026-11-01T00:00:00Z",
            "metrics": {"ndcg@10_min": FIGURE, "basket.hit@10": FIGURE, "score_ms": FIGURE},
        },
    ],
}
CHURN = {
    "model_in_use": "rule-1",
    "models": [
        {"version": "v1", "in_use": False, "window_until": "2026-11-01", "gate_failures": ["lapse28.auc fell"]}
    ],
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = DataFolder.of(tmp_path)
    addresses = {"recommend": "http://recommend", "churn": "http://churn"}
    Credentials("rgl_admin", "", "", addresses, {}, "").write(folder.credentials_file)
    return tmp_path


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    for command in (models.models, models.promote, models.rollback):
        made.command()(command)
    return made


def answering(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response]
) -> list[httpx.Request]:
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer(request)

    def opened(**options: Any) -> httpx.Client:
        return CLIENT(**options, transport=httpx.MockTransport(handle))

    monkeypatch.setattr(httpx, "Client", opened)
    return asked


def run(app: typer.Typer, data_dir: Path, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--data-dir", str(data_dir)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_versions_are_listed_with_their_figures_and_which_is_in_use(
    app: typer.Typer, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    asked = answering(monkeypatch, lambda _: httpx.Response(200, json=RECOMMEND))
    (line,) = [line for line in run(app, data_dir, "models", "recommend").splitlines() if VERSION in line]
    assert "yes" in line
    assert "2026-11-01" in line
    assert "ndcg@10_min 0.2432, basket.hit@10 0.2432" in line
    assert str(asked[0].url) == "http://recommend/v1/models"
    assert asked[0].headers["Authorization"] == "Bearer rgl_admin"


def test_churns_versions_say_what_its_gate_said(
    app: typer.Typer, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    asked = answering(monkeypatch, lambda _: httpx.Response(200, json=CHURN))
    assert "lapse28.auc fell" in run(app, data_dir, "models", "churn")
    assert asked[0].url.host == "churn"


def test_json_is_the_services_own_answer_and_nothing_else(
    app: typer.Typer, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, lambda _: httpx.Response(200, json=RECOMMEND))
    assert json.loads(run(app, data_dir, "models", "recommend", "--json")) == RECOMMEND


def test_promote_and_rollback_say_what_is_in_use_now(
    app: typer.Typer, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, lambda _: httpx.Response(200, json={"version": VERSION, "reason": "no worse"}))
    assert run(app, data_dir, "promote", "recommend", VERSION) == f"{VERSION} is in use: no worse\n"
    assert run(app, data_dir, "rollback", "recommend") == f"{VERSION} is in use again\n"
    assert [each.url.path for each in asked] == [f"/v1/models/{VERSION}:promote", "/v1/models:rollback"]
    answering(monkeypatch, lambda _: httpx.Response(200, json={"model_in_use": "v1"}))
    assert run(app, data_dir, "promote", "churn", "v1") == "v1 is in use\n"
    assert run(app, data_dir, "rollback", "churn") == "v1 is in use again\n"


def test_a_refusal_of_the_gate_is_told_in_its_words(
    app: typer.Typer, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = {"code": "gate_refused", "message": "basket.hit@10 fell"}
    answering(monkeypatch, lambda _: httpx.Response(409, json=refusal))
    with pytest.raises(RegularsError, match=r"basket.hit@10 fell \(gate_refused\)"):
        run(app, data_dir, "promote", "recommend", VERSION)


def test_a_service_that_is_down_is_told(app: typer.Typer, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    answering(monkeypatch, down)
    with pytest.raises(RegularsError, match="recommend at http://recommend does not answer"):
        run(app, data_dir, "rollback", "recommend")


def test_a_version_with_a_slash_stays_one_part_of_the_path(
    app: typer.Typer, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, lambda _: httpx.Response(404, json={"code": "model_not_found", "message": "none"}))
    with pytest.raises(RegularsError, match="model_not_found"):
        run(app, data_dir, "promote", "recommend", "../v1/erasures")
    assert asked[0].url.raw_path == b"/v1/models/..%2Fv1%2Ferasures:promote"
