"""The proof notices every figure that was changed behind its back."""

from uuid import uuid4

import pytest

from services.campaign.store.proof import prove
from tests.integration.campaign.world import World, once, redemption, sale

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    ("forgery", "claim"),
    [
        ("UPDATE points_accounts SET active = active + 1", "balance equals its ledger lines"),
        ("UPDATE points_lots SET remaining = remaining + 1", "open lots of every account"),
        ("UPDATE ledger_lines SET points = points + 1 WHERE account = 'member.active'", "sums to zero"),
        ("UPDATE coupons SET uses = 0", "coupon was used as often"),
        ("UPDATE campaign_caps SET discount_minor = discount_minor - 1 WHERE uses > 0", "campaign gave what"),
        ("UPDATE customer_uses SET uses = 0", "customer used as often"),
        ("UPDATE redemptions SET discount_minor = discount_minor - 1", "discount is the sum"),
        ("UPDATE participants SET arm = 'hold_out'", "nobody of a hold-out"),
    ],
)
async def test_a_forged_figure_is_found(world: World, forgery: str, claim: str) -> None:
    subject_id = uuid4()
    await world.apply(sale(subject_id, 4100))
    _, code = await world.coupon()
    answer = await world.client("till").post("/v1/redemptions", json=redemption(code), headers=once())
    assert answer.status_code == 200
    await world.assert_books_hold()
    undo = await copied(world)
    await world.database.execute(forgery)
    broken = [proved.claim for proved in await prove(world.database) if not proved.holds]
    await restored(world, undo)
    assert any(claim in each for each in broken)
    await world.assert_books_hold()


COLUMNS = {
    "points_accounts": ("subject_id", "active"),
    "points_lots": ("lot_id", "remaining"),
    "ledger_lines": ("posting_id, line", "points"),
    "coupons": ("coupon_id", "uses"),
    "campaign_caps": ("campaign_id", "discount_minor"),
    "customer_uses": ("campaign_id, customer_id", "uses"),
    "redemptions": ("redemption_id", "discount_minor"),
    "participants": ("campaign_id, customer_id", "arm"),
}


async def copied(world: World) -> dict[str, list[tuple[object, ...]]]:
    """Remember every figure that a forgery may touch."""
    return {
        table: [tuple(row) for row in await world.database.fetch(f"SELECT {keys}, {column} FROM {table}")]
        for table, (keys, column) in COLUMNS.items()
    }


async def restored(world: World, rows: dict[str, list[tuple[object, ...]]]) -> None:
    async with world.database.transaction() as tx:
        for table, (keys, column) in COLUMNS.items():
            names = keys.split(", ")
            same = " AND ".join(f"{name} = ${number}" for number, name in enumerate(names, 1))
            await tx.executemany(f"UPDATE {table} SET {column} = ${len(names) + 1} WHERE {same}", rows[table])
