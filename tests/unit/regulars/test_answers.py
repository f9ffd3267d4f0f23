"""A proxy's page, an empty body or a stranger's JSON is told in a sentence, with its status and where to look."""

import httpx
import pytest

from regulars.answers import NotAnAnswer, code_of, document_of, refusal_of, wait_seconds_of

PAGE = "<html><head><title>502 Bad Gateway</title></head>\n<body>nginx</body></html>"
STRANGE = {
    "a proxy's page": httpx.Response(502, text=PAGE, headers={"Content-Type": "text/html; charset=utf-8"}),
    "an empty body": httpx.Response(502),
    "a list": httpx.Response(500, json=["no"]),
    "a word": httpx.Response(500, json="no"),
    "half of a document": httpx.Response(500, text='{"message": "x', headers={"Content-Type": "application/json"}),
    "bytes": httpx.Response(504, content=b"\xff\xfe\x00"),
    "an object without message": httpx.Response(418, json={"error": "teapot"}),
}


def asked(answer: httpx.Response) -> httpx.Response:
    answer.request = httpx.Request("GET", "http://127.0.0.1:8001/v1/exports/7?secret=1")
    return answer


@pytest.mark.parametrize("answer", STRANGE.values(), ids=STRANGE)
def test_an_error_that_is_not_ours_says_status_address_and_cure(answer: httpx.Response) -> None:
    told = refusal_of(asked(answer))
    assert told.startswith(f"http://127.0.0.1:8001/v1/exports/7 answered {answer.status_code} with ")
    assert "regulars status" in told
    assert "secret" not in told
    assert "\n" not in told


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text=PAGE, headers={"Content-Type": "text/html"}),
        httpx.Response(200),
        httpx.Response(200, json=[1]),
        httpx.Response(302, json={}, headers={"Location": "/login"}),
    ],
    ids=["page", "empty", "list", "redirect"],
)
def test_a_success_that_is_not_ours_is_an_error(answer: httpx.Response) -> None:
    with pytest.raises(NotAnAnswer, match=f"answered {answer.status_code}"):
        document_of(asked(answer))


def test_a_services_own_words_are_kept() -> None:
    problem = asked(httpx.Response(404, json={"message": "there is no such export", "code": "export_not_found"}))
    assert refusal_of(problem) == "there is no such export (export_not_found)"
    assert code_of(problem) == "export_not_found"
    assert code_of(asked(httpx.Response(502, text=PAGE))) == ""


def test_a_long_page_is_cut() -> None:
    assert len(refusal_of(asked(httpx.Response(502, text="x" * 100_000)))) < 600


@pytest.mark.parametrize(
    ("said", "seconds"), [("3", 3.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 1.0), ("-5", 0.0), (None, 1.0)]
)
def test_how_long_to_wait_is_read_from_whoever_says_it(said: str | None, seconds: float) -> None:
    headers = {} if said is None else {"Retry-After": said}
    assert wait_seconds_of(asked(httpx.Response(503, headers=headers))) == seconds
