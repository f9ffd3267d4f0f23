"""The page that describes an API needs nothing from elsewhere."""

import re

import httpx


async def test_the_page_and_everything_it_names_come_from_the_service(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    named = re.findall(r"""(?:src|href)="([^"]+)\"""", page.text)
    assert len(named) >= 3
    for address in [*named, "/openapi.json"]:
        answer = await client.get(address)
        assert answer.status_code == 200, address
        assert answer.content
