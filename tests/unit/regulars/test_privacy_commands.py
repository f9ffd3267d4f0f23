"""`regulars erase` and `regulars export`: whom they mean, what they print, and how they fail."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from regulars.__main__ import main
from regulars.cli.ingest_client import IngestClient, meant
from regulars.errors import RegularsError

CUSTOMER = str(UUID(int=7))
ERASURE = str(UUID(int=8))
Answers = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def ingest(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answers], list[httpx.Request]]:
    """Have the commands talk to a function; return what they asked it."""

    def answered_by(answers: Answers) -> list[httpx.Request]:
        asked: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request)
            return answers(request)

        client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://ingest")
        monkeypatch.setattr(IngestClient, "of", lambda _: IngestClient(client))
        return asked

    return answered_by


def erasing(state: str) -> Answers:
    shown = {
        "erasure_id": ERASURE,
        "state": state,
        "waiting_for": ["churn"],
        "counts": {"events": 7},
        "services": [{"service": "profile"}],
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/certificate"):
            return httpx.Response(200, json={"certificate": shown, "signature": {"value": "ab"}})
        return httpx.Response(202 if request.method == "POST" else 200, json=shown)

    return answer


def test_a_customer_is_meant_by_id_or_by_an_identifier() -> None:
    assert meant(CUSTOMER) == {"customer_id": CUSTOMER}
    assert meant("phone:139") == {"identifier": {"namespace": "phone", "value": "139"}}
    assert meant("external:crm:77") == {"identifier": {"namespace": "external:crm", "value": "77"}}
    with pytest.raises(RegularsError, match="NAMESPACE:VALUE"):
        meant("somebody")


def test_erase_prints_the_certificate(
    ingest: Callable[[Answers], list[httpx.Request]], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ingest(erasing("confirmed"))
    main_ok(["erase", CUSTOMER, "--reason", "form 8", "--json"])
    assert json.loads(capsys.readouterr().out)["signature"] == {"value": "ab"}
    assert json.loads(asked[0].content) == {"customer_id": CUSTOMER, "reason": "form 8", "requested_by": "customer"}
    assert asked[0].headers["Idempotency-Key"]


def test_erase_fails_and_says_who_is_missing(
    ingest: Callable[[Answers], list[httpx.Request]], capsys: pytest.CaptureFixture[str]
) -> None:
    ingest(erasing("rewritten"))
    with pytest.raises(SystemExit) as ended:
        main(["erase", CUSTOMER, "--reason", "form 8", "--wait-seconds", "0"])
    assert ended.value.code == 1
    assert "churn" in capsys.readouterr().err


def test_a_refusal_is_told_in_its_own_words(
    ingest: Callable[[Answers], list[httpx.Request]], capsys: pytest.CaptureFixture[str]
) -> None:
    ingest(lambda _: httpx.Response(404, json={"code": "customer_not_found", "message": "nobody is known"}))
    with pytest.raises(SystemExit) as ended:
        main(["export", "phone:139", "--purpose", "form 7"])
    assert ended.value.code == 1
    assert "nobody is known (customer_not_found)" in capsys.readouterr().err


def test_export_writes_a_private_file(
    ingest: Callable[[Answers], list[httpx.Request]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document: dict[str, dict[str, object]] = {"services": {"ingest": {}, "profile": {}}}
    ingest(lambda _: httpx.Response(200, json={"export_id": "e", "document": document}))
    output = tmp_path / "chen.json"
    main_ok(["export", CUSTOMER, "--purpose", "form 7", "--output", str(output)])
    assert json.loads(output.read_text()) == document
    assert output.stat().st_mode & 0o077 == 0
    assert "ingest, profile" in capsys.readouterr().out


def main_ok(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 0


@pytest.mark.parametrize("status", [200, 502])
@pytest.mark.parametrize("body", [b"", b"<html>502 Bad Gateway</html>"])
def test_an_answer_that_is_not_ingests_is_one_sentence_and_no_traceback(
    ingest: Callable[[Answers], list[httpx.Request]], capsys: pytest.CaptureFixture[str], status: int, body: bytes
) -> None:
    ingest(lambda _: httpx.Response(status, content=body))
    with pytest.raises(SystemExit) as ended:
        main(["export", CUSTOMER, "--purpose", "form 7"])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert f"answered {status}" in told
    assert "Traceback" not in told
