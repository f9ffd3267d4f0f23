"""What campaign forgets of an erased customer, and what is told of them afterwards."""

from uuid import UUID, uuid4

import pytest

from shared.customers import customer_of
from shared.events.customers import CustomerErasedV1
from tests.integration.campaign.test_campaign_points import adjust
from tests.integration.campaign.test_campaign_redeeming import redeem
from tests.integration.campaign.world import World, assigned, envelope

pytestmark = pytest.mark.postgres


async def erase(world: World, customer_id: UUID) -> None:
    data = CustomerErasedV1(erasure_id=uuid4(), customer_id=customer_id, subject_ids=(customer_id,))
    await world.apply(envelope(data, customer_id))


async def test_a_used_coupon_stays_as_nobodys_and_its_code_is_of_no_more_use(world: World) -> None:
    customer_id, code = await world.coupon(uses_per_code=5, uses_per_customer=5)
    assert (await redeem(world, code, customer_id=str(customer_id))).status_code == 200
    await erase(world, customer_id)
    again = await redeem(world, code)
    assert (again.status_code, again.json()["code"]) == (409, "not_found")
    (kept,) = await world.database.fetch(
        "SELECT c.customer_id, c.code FROM coupons c JOIN redemption_items USING (coupon_id)"
        " WHERE c.code LIKE 'erased-%' AND c.customer_id <> $1 ORDER BY c.issued_at DESC LIMIT 1",
        customer_id,
    )
    assert code not in kept["code"]
    await world.assert_books_hold()


async def test_stored_answers_that_name_the_customer_go(world: World) -> None:
    customer_id, other_id = uuid4(), uuid4()
    for one in (customer_id, other_id):
        assert (await adjust(world, one, 10)).status_code == 200
    await erase(world, customer_id)
    bodies = await world.database.fetchval("SELECT string_agg(convert_from(body, 'UTF8'), ' ') FROM idempotency_keys")
    assert str(customer_id) not in bodies
    assert str(other_id) in bodies


async def test_an_older_assignment_that_comes_late_changes_nothing(world: World) -> None:
    subject_id, first, second = uuid4(), uuid4(), uuid4()
    await world.apply(assigned(subject_id, second, version=2))
    await world.apply(assigned(subject_id, first, version=1))
    assert await customer_of(world.database, subject_id) == second
    await world.apply(assigned(subject_id, first, version=3), assigned(subject_id, second, version=2))
    assert await customer_of(world.database, subject_id) == first


async def test_an_erased_subject_is_assigned_to_nobody_whenever_that_comes(world: World) -> None:
    subject_id, customer_id = uuid4(), uuid4()
    await world.apply(assigned(subject_id, customer_id))
    await erase(world, subject_id)
    await world.apply(assigned(subject_id, customer_id, version=2))
    assert await customer_of(world.database, subject_id) == subject_id
