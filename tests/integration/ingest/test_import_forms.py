"""A file in a form, as browsers send it: streamed like a bare body, and refused with a reason where it is not one."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest

from services.ingest.api.forms import FIELD_BYTES_MAX, FIELDS_MAX, HEAD_BYTES_MAX
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.importing import PRODUCTS, imported, work_of

pytestmark = pytest.mark.postgres

BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"
Field = tuple[str, str | bytes]


def field(name: str, value: str | bytes) -> bytes:
    content = value if isinstance(value, bytes) else value.encode()
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"


def chosen(content: bytes = PRODUCTS, filename: str = "products.csv", name: str = "file") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    return head.encode() + b"Content-Type: text/csv\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


KIND = field("kind", "products")


async def send(
    ingest: Running, body: bytes | AsyncIterator[bytes], content_type: str | None = None, **query: Any
) -> httpx.Response:
    headers = {
        "Authorization": f"Bearer {ingest.keys.admin}",
        "Content-Type": content_type or f"multipart/form-data; boundary={BOUNDARY}",
    }
    return await ingest.client.post("/v1/imports", params=query, content=body, headers=headers)


async def in_pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def test_a_form_becomes_the_import_that_the_bare_file_would_have_been(ingest: Running) -> None:
    answer = await send(ingest, form(KIND, chosen()))
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["kind"], made["name"], made["size_bytes"]) == ("products", "products.csv", len(PRODUCTS))
    await work_of(ingest).run()
    assert (await ingest.get(f"/v1/imports/{made['import_id']}")).json()["progress"]["accepted"] == 2
    bare = await imported(ingest, PRODUCTS, kind="products", name="products.csv")
    assert bare["import_id"] == made["import_id"]


async def test_what_a_browser_library_sends_is_taken(ingest: Running) -> None:
    answer = await ingest.client.post(
        "/v1/imports",
        data={"kind": "products", "date_format": "dmy", "preview": "on"},
        files={"upload": ("liste.csv", PRODUCTS, "text/csv")},
        headers={"Authorization": f"Bearer {ingest.keys.admin}"},
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["state"], made["name"], made["reading"]["date_format"]) == ("waiting", "liste.csv", "dmy")
    assert made["preview"]["lines_read"] == 2


@pytest.mark.parametrize("size", [1, 7, 64])
async def test_parts_may_be_cut_anywhere(ingest: Running, size: int) -> None:
    """Boundaries, line ends and headers fall on both sides of a cut; what looks like a boundary in a file is none."""
    content = PRODUCTS + b"\r\n--" + BOUNDARY[:-1].encode() + b",\r\r\n-"
    answer = await send(ingest, in_pieces(form(KIND, field("mapping", ""), chosen(content)), size), preview=True)
    assert answer.status_code == 201, answer.text
    assert answer.json()["size_bytes"] == len(content)


async def test_the_form_has_the_last_word_and_the_address_the_first(ingest: Running) -> None:
    body = form(field("name", "other.csv"), field("decimal", ","), field("currency", ""), chosen())
    answer = await send(ingest, body, kind="products", decimal=".", currency="EUR", preview="true")
    assert answer.status_code == 201, answer.text
    reading = answer.json()["reading"]
    assert (answer.json()["name"], reading["decimal"], reading["currency"]) == ("other.csv", ",", "EUR")


async def test_a_path_before_a_files_name_is_left_out(ingest: Running) -> None:
    answer = await send(ingest, form(KIND, chosen(filename="C:\\fakepath\\p.csv")))
    assert answer.json()["name"] == "p.csv"


async def test_a_large_file_in_a_form_is_stored_in_pieces(ingest: Running) -> None:
    content = b"sku,name\n" + b"".join(b"P%d,%b\n" % (number, b"x" * 180) for number in range(12_000))
    answer = await send(ingest, in_pieces(form(KIND, chosen(content)), 65_536))
    assert answer.status_code == 201
    assert await ingest.count("import_chunks") == 3
    assert answer.json()["size_bytes"] == len(content)


MANY = [field(f"f{number}", "x") for number in range(FIELDS_MAX + 2)]
REFUSED: dict[str, tuple[Sequence[bytes], str, str | None]] = {
    "no file": ([KIND], "holds no file", "file"),
    "none chosen": ([KIND, chosen(b"", filename="")], "no file was chosen", "file"),
    "two files": ([KIND, chosen(), chosen(name="second")], "two files", "second"),
    "a field behind the file": ([KIND, chosen(), field("decimal", ",")], "put the file last", "decimal"),
    "the kind behind the file": ([chosen(), KIND], "before the file", "kind"),
    "a field twice": ([KIND, KIND, chosen()], "twice", "kind"),
    "no kind": ([chosen()], "kind: is missing", "kind"),
    "an unknown kind": ([field("kind", "gifts"), chosen()], "kind", "kind"),
    "an unknown field": ([KIND, field("delimeter", ";"), chosen()], "delimeter: is no field", "delimeter"),
    "a mapping that is none": ([KIND, field("mapping", "[1]"), chosen()], "JSON object", "mapping"),
    "a field that is long": ([field("mapping", "x" * (FIELD_BYTES_MAX + 1)), chosen()], "longer than", "mapping"),
    "a field of other bytes": ([field("source", b"\xff\xfe"), chosen()], "UTF-8", "source"),
    "many fields": ([*MANY, chosen()], "the form is broken", None),
    "a long header": ([field("k" * 5000, "x"), chosen()], "the form is broken", None),
    "a part without a name": ([f"--{BOUNDARY}\r\nX: y\r\n\r\nz\r\n".encode(), chosen()], "the form is broken", None),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_form_that_is_not_one_files_is_refused_with_reason_and_field(ingest: Running, case: str) -> None:
    parts, reason, at = REFUSED[case]
    answer = await send(ingest, form(*parts))
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable_file"), answer.text
    assert reason in answer.text
    if at is not None:
        assert [error["field"] for error in answer.json()["errors"]] == [at]
    assert await ingest.count("imports") == await ingest.count("import_chunks") == 0


BROKEN = {
    "no boundary": (form(KIND, chosen()), "multipart/form-data"),
    "an empty boundary": (form(KIND, chosen()), 'multipart/form-data; boundary=""'),
    "another boundary": (form(KIND, chosen()), "multipart/form-data; boundary=other"),
    "broken off in the file": (form(KIND, chosen())[:-60], None),
    "broken off in a field": (KIND[:40], None),
    "no last boundary": (KIND + chosen(), None),
    "nothing at all": (b"", None),
    "bare line feeds": (form(KIND, chosen()).replace(b"\r\n", b"\n"), None),
    "bytes before the boundary": (b"x" + form(KIND, chosen()), None),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_broken_form_is_refused_and_nothing_of_it_stays(ingest: Running, case: str) -> None:
    body, content_type = BROKEN[case]
    answer = await send(ingest, body, content_type)
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable_file"), answer.text
    assert await ingest.count("imports") == await ingest.count("import_chunks") == 0


async def test_a_form_whose_file_does_not_begin_soon_is_ended(ingest: Running) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1_000):
            read += 50_000
            yield b"x" * 50_000

    answer = await send(ingest, endless())
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable_file")
    assert read <= HEAD_BYTES_MAX + 200_000


async def test_a_bare_file_still_needs_its_kind_and_name(ingest: Running) -> None:
    answer = await send(ingest, PRODUCTS, "text/csv")
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"kind", "name"}
