"""Loading a file: uploaded in pieces, followed to its end, its report beside it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from regulars.cli.load import Loaded, _pairs, _tell, show_preview
from regulars.loading import files
from regulars.loading.files import FileLoader
from regulars.loading.sender import SendFailed

REPORT = "line_number,field,reason\r\n3,/quantity,is no number\r\n"


def progress(**changes: Any) -> dict[str, Any]:
    counts = {"rows_total": 3, "rows_read": 3, "accepted": 2, "repeated": 0, "conflicts": 0, "refused": 1}
    return {**counts, **changes}


def imported(state: str = "done", **changes: Any) -> dict[str, Any]:
    one = {"import_id": "i1", "state": state, "progress": progress(), "failure": None, "is_repeat": False}
    return {**one, **changes}


def loader(handler: Callable[[httpx.Request], httpx.Response]) -> FileLoader:
    return FileLoader(httpx.AsyncClient(transport=httpx.MockTransport(handler), base_url="http://ingest"))


async def test_a_file_is_sent_as_the_body_with_its_name_and_how_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_bytes(b"x" * 2_500_000)
    seen: list[httpx.Request] = []

    def take(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json=imported("queued"))

    begun = await loader(take).upload(path, {"kind": "receipt_lines", "decimal": ","})
    assert begun["import_id"] == "i1"
    assert len(seen[0].content) == 2_500_000
    assert dict(seen[0].url.params) == {"name": "lines.csv", "kind": "receipt_lines", "decimal": ","}


async def test_an_upload_that_ingest_cannot_take_now_is_sent_again_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text("abc")
    answers = [httpx.Response(503, headers={"Retry-After": "0"}), httpx.Response(201, json=imported("queued"))]
    bodies: list[bytes] = []

    def take(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return answers[len(bodies) - 1]

    await loader(take).upload(path, {"kind": "products"})
    assert bodies == [b"abc", b"abc"]


async def test_a_refused_file_ends_the_load_with_the_sentence_that_ingest_wrote(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    path.write_text("abc")
    problem = httpx.Response(
        422, json={"message": "no column was found for: name"}, headers={"Content-Type": "application/problem+json"}
    )
    with pytest.raises(SendFailed, match=r"^no column was found for: name$"):
        await loader(lambda _: problem).upload(path, {"kind": "products"})


async def test_an_import_is_followed_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOOK_SECONDS", 0.0)
    states = iter(["queued", "running", "running", "done"])
    heard: list[tuple[int, int | None]] = []
    loading = loader(lambda _: httpx.Response(200, json=imported(next(states))))
    loading.on_rows = lambda read, total: heard.append((read, total))
    ended = await loading.follow("i1")
    assert ended["state"] == "done"
    assert heard == [(3, 3)] * 4


async def test_an_import_that_stands_still_is_given_up_and_says_what_to_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(files, "STILL_SECONDS", 0.05)
    with pytest.raises(SendFailed, match="regulars status"):
        await loader(lambda _: httpx.Response(200, json=imported("queued"))).follow("i1")


async def test_the_report_stands_beside_the_file_and_is_none_when_nothing_is_wrong(tmp_path: Path) -> None:
    target = tmp_path / "lines.csv.refused.csv"
    assert await loader(lambda _: httpx.Response(200, text=REPORT)).save_report("i1", target) == 1
    assert "is no number" in target.read_text()
    assert await loader(lambda _: httpx.Response(200, text="line_number\r\n")).save_report("i1", target) == 0
    assert not target.exists()


def test_refused_lines_make_the_command_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        _tell(Loaded(imported(), tmp_path / "f.refused.csv", 1, is_repeat=False), tmp_path / "f.csv")
    assert ended.value.exit_code == 1
    assert "2 accepted, 1 refused" in capsys.readouterr().out


def test_a_file_without_faults_ends_well_and_says_when_it_was_loaded_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    well = imported(progress=progress(refused=0))
    _tell(Loaded(well, tmp_path / "f.refused.csv", 0, is_repeat=True), tmp_path / "f.csv")
    assert "was loaded before" in capsys.readouterr().out


def test_options_are_names_and_values() -> None:
    assert _pairs(["decimal=,", "as_of=2026-03-01T00:00:00Z"], "--option") == {
        "decimal": ",",
        "as_of": "2026-03-01T00:00:00Z",
    }
    with pytest.raises(typer.BadParameter):
        _pairs(["decimal"], "--option")


def test_a_preview_names_columns_items_refusals_and_hints(capsys: pytest.CaptureFixture[str]) -> None:
    show_preview(
        {
            "columns": [{"column": "SKU", "target": "product_id"}, {"column": "Foo", "target": None}],
            "missing": ["name"],
            "rows": [{"line": 2, "item": {"product_id": "P1"}}],
            "refusals": [{"line": 3, "column": "Price", "message": "is no number"}],
            "hints": ["say decimal=,"],
        }
    )
    said = capsys.readouterr().out
    for word in (
        "SKU  ->  product_id",
        "(left out)",
        "--column name=COLUMN",
        "line 2",
        "Price is no number",
        "hint: say",
    ):
        assert word in said


@pytest.mark.parametrize("status", [200, 502])
async def test_a_proxys_page_in_place_of_an_import_is_told_as_such(tmp_path: Path, status: int) -> None:
    path = tmp_path / "lines.csv"
    path.write_bytes(b"a,b\r\n")
    page = httpx.Response(status, text="<html>Bad Gateway</html>", headers={"Content-Type": "text/html"})
    with pytest.raises(SendFailed, match=f"answered {status} with text/html"):
        await loader(lambda _: page).upload(path, {})


async def test_a_report_that_cannot_be_fetched_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SendFailed, match="answered 502 with an empty body"):
        await loader(lambda _: httpx.Response(502)).save_report("i1", tmp_path / "report.csv")
    assert not (tmp_path / "report.csv").exists()
