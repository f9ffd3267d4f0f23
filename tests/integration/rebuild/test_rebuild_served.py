"""The services' own HTTP answers while their tables are swapped under them."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from shared.keys import issue_key, write_keys
from tests.fixtures.waiting import until
from tests.integration.rebuild.history import person
from tests.integration.rebuild.world import Living

pytestmark = pytest.mark.postgres

READS: dict[str, list[tuple[str, str, dict[str, Any] | None]]] = {
    "profile": [
        ("GET", f"/v1/customers/{person(2)}", None),
        ("GET", f"/v1/customers/{person(2)}/timeline", None),
        ("GET", "/v1/stores/S1", None),
    ],
    "recommend": [("POST", "/v1/recommendations/for-you", {"customer_id": str(person(2)), "limit": 5})],
    "churn": [("GET", f"/v1/customers/{person(2)}/churn", None)],
    "campaign": [("GET", f"/v1/members/{person(2)}", None)],
}


@pytest.mark.parametrize("service_name", READS)
async def test_no_request_is_refused_while_tables_are_swapped(live: Living) -> None:
    key, entry = issue_key("administrator", "tests")
    write_keys(live.settings.keys_file, [entry])
    app = live.service.api(live.settings)
    answers: Counter[int] = Counter()
    bodies: set[str] = set()
    caller = httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url=f"http://{live.name}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=20,
    )

    async def ask() -> None:
        while True:
            for method, path, body in READS[live.name]:
                answer = await caller.request(method, path, json=body)
                answers[answer.status_code] += 1
                if answer.status_code != 200:
                    bodies.add(answer.text)
            await asyncio.sleep(0)

    async with app.router.lifespan_context(app), caller:
        asking = [asyncio.create_task(ask()) for _ in range(3)]
        try:
            for _ in range(2):
                assert (await live.rebuild()).is_swapped
                enough = answers.total() + 20

                async def answered(enough: int = enough) -> bool:
                    return answers.total() >= enough

                await until(answered, 20)
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
    assert set(answers) == {200}, bodies
