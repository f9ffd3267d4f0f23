"""`regulars sources`, against an ingest that answers as the real one does."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from regulars.cli import sources
from regulars.credentials import Credentials
from regulars.errors import RegularsError
from regulars.folder import DataFolder

CLIENT = httpx.Client
SHOP = {
    "source_id": "shop",
    "kind": "server",
    "name": "Shop",
    "created_at": "2026-03-01T00:00:00Z",
    "disabled_at": None,
    "keys": [{"created_at": "2026-03-01T00:00:00Z", "ends_at": None}],
    "limit": {"events_per_second": 5, "burst": 10},
    "bot_filter": "off",
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = DataFolder.of(tmp_path)
    addresses = {"ingest": "http://ingest"}
    Credentials("rgl_admin", "", "", addresses, {}, "").write(folder.credentials_file)
    return tmp_path


def answering(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response]
) -> list[httpx.Request]:
    asked: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer(request)

    client = CLIENT

    def opened(**options: Any) -> httpx.Client:
        return client(**options, transport=httpx.MockTransport(handle))

    monkeypatch.setattr(httpx, "Client", opened)
    return asked


def run(*words: str) -> str:
    result = CliRunner().invoke(sources.app, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_new_sources_key_is_shown_once(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    made = {"source_id": "shop", "kind": "server", "write_key": "rgw_secret"}
    asked = answering(monkeypatch, lambda _: httpx.Response(201, json=made))
    output = run("create", "--kind", "server", "--id", "shop", "--data-dir", str(data_dir))
    assert output.splitlines() == ["shop (server):", "rgw_secret"]
    assert asked[0].headers["authorization"] == "Bearer rgl_admin"
    assert json.loads(asked[0].content) == {"kind": "server", "id": "shop", "name": ""}


def test_the_list_shows_limits_and_keys_and_json_is_all_there_is(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    answering(monkeypatch, lambda _: httpx.Response(200, json={"sources": [SHOP]}))
    assert "5/s" in run("list", "--data-dir", str(data_dir))
    assert json.loads(run("list", "--json", "--data-dir", str(data_dir))) == [SHOP]


def test_rotating_says_until_when_the_old_key_holds(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    made = {"source_id": "shop", "write_key": "rgw_new", "old_key_until": "2026-03-08T00:00:00Z"}
    asked = answering(monkeypatch, lambda _: httpx.Response(200, json=made))
    output = run("rotate", "shop", "--overlap-days", "0", "--data-dir", str(data_dir))
    assert "2026-03-08T00:00" in output
    assert output.splitlines()[-1] == "rgw_new"
    assert asked[0].url.path == "/v1/sources/shop:rotate"


@pytest.mark.parametrize("verb", ["disable", "enable"])
def test_disabling_and_enabling(monkeypatch: pytest.MonkeyPatch, data_dir: Path, verb: str) -> None:
    asked = answering(monkeypatch, lambda _: httpx.Response(204))
    assert "shop" in run(verb, "shop", "--data-dir", str(data_dir))
    assert asked[0].url.path == f"/v1/sources/shop:{verb}"


def test_what_ingest_says_no_to_is_said_in_its_words(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    answering(monkeypatch, lambda _: httpx.Response(404, json={"message": "there is no source shop"}))
    with pytest.raises(RegularsError, match="there is no source shop"):
        run("disable", "shop", "--data-dir", str(data_dir))
    answering(monkeypatch, lambda _: httpx.Response(502, text="<html>"))
    with pytest.raises(RegularsError, match="answered 502"):
        run("disable", "shop", "--data-dir", str(data_dir))


def test_an_ingest_that_is_not_up_is_named(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    answering(monkeypatch, away)
    with pytest.raises(RegularsError, match="is it up"):
        run("list", "--data-dir", str(data_dir))
