"""Points: families of receipts, accounts, lots and the ledger.

Locks are taken in this order, each sorted by id: families, accounts, lots. A lot changes only under its
account's lock; a family's row keeps a sale and its return, which may come on two partitions, from passing unseen.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5

from services.campaign.domain.points import Account, Borrowed, Family, Kind, Lot, Member, Posting, Wallet
from services.campaign.domain.tiers import GROWTH_DAYS
from shared.db import Database, Row, Transaction

_POSTINGS = UUID("0b6f5a0e-7c52-5b0e-9a53-6d5a1f1c2e77")

Owner = tuple[UUID, str]
"""A subject and its kind."""


def posting_id(posting: Posting) -> UUID:
    """Return the id of a posting: the same for the same cause."""
    return uuid5(_POSTINGS, f"{posting.source}/{posting.source_id}/{posting.kind}")


async def lock_families(tx: Transaction, family_ids: Collection[UUID]) -> None:
    """Hold these families until the transaction ends; what is read afterwards is complete."""
    await tx.execute(
        "INSERT INTO families (family_id) SELECT unnest($1::uuid[])"
        " ON CONFLICT (family_id) DO UPDATE SET family_id = excluded.family_id",
        sorted(set(family_ids)),
    )


async def lock_lines(tx: Transaction, family_ids: Collection[UUID]) -> set[UUID]:
    """Hold these families and those whose sales took the places of theirs, at any remove; return all.

    Whoever tells of a replacement holds both families: what is found after a lock is looked up again, until nothing
    is found that is not held.
    """
    held: set[UUID] = set()
    wanted = set(family_ids)
    while wanted - held:
        await lock_families(tx, wanted - held)
        held = wanted
        wanted = held | await _replacements_of(tx, held)
    return held


async def _replacements_of(tx: Transaction, receipt_ids: Collection[UUID]) -> set[UUID]:
    rows = await tx.fetch(
        "SELECT replaced_by FROM voids WHERE receipt_id = ANY($1::uuid[]) AND replaced_by IS NOT NULL",
        list(receipt_ids),
    )
    return {row["replaced_by"] for row in rows}


async def families_of(tx: Transaction, receipt_ids: Collection[UUID]) -> set[UUID]:
    """Return the families that the known ones of these receipts belong to, their own included."""
    rows = await tx.fetch(
        "SELECT receipt_id, returns_receipt_id FROM receipts WHERE receipt_id = ANY($1::uuid[])",
        list(receipt_ids),
    )
    named = {row["returns_receipt_id"] for row in rows if row["returns_receipt_id"] is not None}
    return {row["receipt_id"] for row in rows} | named


async def load_families(
    tx: Transaction, family_ids: Collection[UUID], currency: str
) -> tuple[dict[UUID, Family], dict[UUID, Owner]]:
    """Return the families whose sale is known, and whose each is. Other currencies earn nothing."""
    sales = await tx.fetch(
        f"SELECT {_MEMBER_COLUMNS} FROM receipts {_VOID_CLAUSE} WHERE receipt_id = ANY($1::uuid[]) AND currency = $2",
        list(family_ids),
        currency,
    )
    returns = await _returns_of(tx, family_ids, currency)
    families = {row["receipt_id"]: _family(row, returns.get(row["receipt_id"], {})) for row in sales}
    return families, {row["receipt_id"]: (row["subject_id"], row["subject_kind"]) for row in sales}


async def _returns_of(tx: Transaction, family_ids: Collection[UUID], currency: str) -> dict[UUID, dict[UUID, Member]]:
    """Return, by family, the returns that name its sale or one whose place that took, by their own ids."""
    rows = await tx.fetch(
        "WITH RECURSIVE named (family_id, named_id, link_ids) AS ("
        " SELECT id, id, '{}'::uuid[] FROM unnest($1::uuid[]) AS asked (id)"
        " UNION ALL SELECT family_id, older.receipt_id, link_ids || older.void_id FROM named"
        "  JOIN voids AS older ON older.replaced_by = named_id WHERE older.void_id <> ALL (link_ids))"
        f" SELECT family_id, link_ids, {_MEMBER_COLUMNS} FROM named JOIN receipts ON returns_receipt_id = named_id"
        f" {_VOID_CLAUSE} WHERE currency = $2",
        list(family_ids),
        currency,
    )
    found: dict[UUID, dict[UUID, Member]] = {}
    for row in rows:
        came = replace(_member(row, named_returned_minor=row["returned_minor"]), link_ids=frozenset(row["link_ids"]))
        found.setdefault(row["family_id"], {})[came.receipt_id] = came
    return found


_MEMBER_COLUMNS = (
    "receipts.receipt_id, receipts.occurred_at, subject_id, subject_kind, sold_minor, returned_minor,"
    " returns_receipt_id, void_id, voided_at"
)
# A receipt voided twice is voided once: by the first of its voids.
_VOID_CLAUSE = (
    "LEFT JOIN LATERAL (SELECT void_id, voids.occurred_at AS voided_at FROM voids"
    " WHERE voids.receipt_id = receipts.receipt_id ORDER BY voids.occurred_at, void_id LIMIT 1) AS first ON true"
)


def _family(sale: Row, returns: Mapping[UUID, Member]) -> Family:
    own_returned = sale["returned_minor"] if sale["returns_receipt_id"] is None else 0
    member = _member(sale, sold_minor=sale["sold_minor"], own_returned_minor=own_returned)
    return Family(sale["receipt_id"], member, tuple(returns.values()))


def _member(row: Row, *, sold_minor: int = 0, own_returned_minor: int = 0, named_returned_minor: int = 0) -> Member:
    return Member(
        row["receipt_id"],
        row["occurred_at"],
        sold_minor,
        own_returned_minor,
        named_returned_minor,
        row["void_id"],
        row["voided_at"],
    )


@dataclass(frozen=True, slots=True)
class LotOrigin:
    """What a new lot is stored with beside its points."""

    unit_minor: int
    earned_at: datetime


async def lock_wallets(
    tx: Transaction, subject_ids: Collection[UUID], lot_ids: Collection[UUID], *, with_open_lots: Collection[UUID]
) -> dict[UUID, Wallet]:
    """Hold the accounts; return a wallet for each, with the lots named and, where asked for, all open ones."""
    ordered = sorted(set(subject_ids))
    await tx.execute(
        "INSERT INTO points_accounts (subject_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING", ordered
    )
    accounts = await tx.fetch(
        "SELECT subject_id, debt FROM points_accounts WHERE subject_id = ANY($1::uuid[])"
        " ORDER BY subject_id FOR UPDATE",
        ordered,
    )
    wallets = {row["subject_id"]: Wallet(debt=row["debt"]) for row in accounts}
    lots = await tx.fetch(
        f"SELECT subject_id, {_LOT_COLUMNS} FROM points_lots WHERE lot_id = ANY($1::uuid[])"
        f" UNION SELECT subject_id, {_LOT_COLUMNS} FROM points_lots"
        " WHERE subject_id = ANY($2::uuid[]) AND remaining > 0",
        list(lot_ids),
        list(with_open_lots),
    )
    for row in lots:
        if row["subject_id"] in wallets:
            wallets[row["subject_id"]].lots[row["lot_id"]] = _lot(row)
    return wallets


_LOT_COLUMNS = "lot_id, expires_at, earned, taken_back, remaining, expired"


def _lot(row: Row) -> Lot:
    return Lot(*(row[name] for name in ("lot_id", "expires_at", "earned", "taken_back", "remaining", "expired")))


async def units_of(tx: Transaction, lot_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the net spend per point that each known lot was made with: a changed rule leaves old sales alone."""
    rows = await tx.fetch("SELECT lot_id, unit_minor FROM points_lots WHERE lot_id = ANY($1::uuid[])", list(lot_ids))
    return {row["lot_id"]: row["unit_minor"] for row in rows}


async def save_wallets(tx: Transaction, wallets: Mapping[UUID, Wallet], origins: Mapping[UUID, LotOrigin]) -> None:
    """Write the wallets' changed lots, postings and balances; `origins` has one entry per new lot."""
    ordered = sorted(wallets.items())
    await _save_lots(tx, ordered, origins)
    await _append_lines(tx, [(subject_id, posting) for subject_id, wallet in ordered for posting in wallet.postings])
    await _move_balances(tx, ordered)


async def _save_lots(
    tx: Transaction, wallets: Sequence[tuple[UUID, Wallet]], origins: Mapping[UUID, LotOrigin]
) -> None:
    changed = sorted(
        ((subject_id, wallet.lots[lot_id]) for subject_id, wallet in wallets for lot_id in wallet.changed),
        key=lambda item: item[1].lot_id,
    )
    # A known lot keeps the origin that it was stored with; what is given for it here is not used.
    rows = [(subject_id, lot, origins.get(lot.lot_id)) for subject_id, lot in changed]
    await tx.execute(
        "INSERT INTO points_lots (lot_id, subject_id, earned, taken_back, remaining, expired, unit_minor, earned_at,"
        " expires_at) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[],"
        " $6::bigint[], $7::bigint[], $8::timestamptz[], $9::timestamptz[])"
        " ON CONFLICT (lot_id) DO UPDATE SET earned = excluded.earned, taken_back = excluded.taken_back,"
        " remaining = excluded.remaining, expired = excluded.expired",
        [lot.lot_id for _, lot, _ in rows],
        [subject_id for subject_id, _, _ in rows],
        [lot.earned for _, lot, _ in rows],
        [lot.taken_back for _, lot, _ in rows],
        [lot.remaining for _, lot, _ in rows],
        [lot.expired for _, lot, _ in rows],
        [origin.unit_minor if origin else 1 for _, _, origin in rows],
        [origin.earned_at if origin else lot.expires_at for _, lot, origin in rows],
        [lot.expires_at for _, lot, _ in rows],
    )


async def _append_lines(tx: Transaction, postings: Sequence[tuple[UUID, Posting]]) -> None:
    await tx.copy(
        "ledger_lines",
        ["posting_id", "source", "source_id", "line", "kind", "account", "subject_id", "points", "posted_at"],
        [
            (
                posting_id(posting),
                posting.source,
                posting.source_id,
                number,
                posting.kind.value,
                line.account.value,
                subject_id,
                line.points,
                posting.at,
            )
            for subject_id, posting in postings
            for number, line in enumerate(posting.lines, 1)
        ],
    )


async def _move_balances(tx: Transaction, wallets: Sequence[tuple[UUID, Wallet]]) -> None:
    moved = [(subject_id, _moves(wallet)) for subject_id, wallet in wallets if wallet.postings]
    await tx.execute(
        "UPDATE points_accounts AS account SET active = account.active + moved.active,"
        " debt = account.debt - moved.debt, spent = account.spent + moved.spent,"
        " expired = account.expired + moved.expired"
        " FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])"
        " AS moved (subject_id, active, debt, spent, expired) WHERE account.subject_id = moved.subject_id",
        [subject_id for subject_id, _ in moved],
        *(
            [moves.get(account, 0) for _, moves in moved]
            for account in (Account.ACTIVE, Account.DEBT, Account.REDEEMED, Account.EXPIRED)
        ),
    )


def _moves(wallet: Wallet) -> dict[Account, int]:
    moves: dict[Account, int] = {}
    for posting in wallet.postings:
        for line in posting.lines:
            moves[line.account] = moves.get(line.account, 0) + line.points
    return moves


async def hold_assignments(tx: Transaction, customer_id: UUID) -> None:
    """Keep a customer's subjects assigned as they are until the transaction ends."""
    await tx.execute(
        "SELECT 1 FROM assignments WHERE customer_id = $1 ORDER BY subject_id FOR SHARE",
        customer_id,
    )


async def kinds_of(tx: Transaction, subject_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return what kind of subject each is: a guest has one receipt, which says so; who has none is a person."""
    rows = await tx.fetch(
        "SELECT asked.subject_id, coalesce((SELECT subject_kind FROM receipts r"
        " WHERE r.subject_id = asked.subject_id LIMIT 1), 'identified') AS kind"
        " FROM unnest($1::uuid[]) AS asked (subject_id)",
        list(subject_ids),
    )
    return {row["subject_id"]: row["kind"] for row in rows}


async def add_borrowed(tx: Transaction, borrowed: Sequence[Borrowed]) -> None:
    """Keep what was taken from one subject for another."""
    await tx.executemany(
        "INSERT INTO points_borrowed (request_id, lot_id, subject_id, borrower_id, points, kind, borrowed_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            (one.request_id, one.lot_id, one.subject_id, one.borrower_id, one.points, one.kind.value, one.at)
            for one in borrowed
        ],
    )


async def borrowed_apart(tx: Transaction, subject_ids: Collection[UUID]) -> list[Borrowed]:
    """Return what was borrowed by or from these subjects, of another customer now, and was not given back yet."""
    rows = await tx.fetch(
        "SELECT b.request_id, b.lot_id, b.subject_id, b.borrower_id, b.points, b.kind, b.borrowed_at"
        " FROM points_borrowed b LEFT JOIN assignments lender ON lender.subject_id = b.subject_id"
        " LEFT JOIN assignments borrower ON borrower.subject_id = b.borrower_id"
        " WHERE (b.subject_id = ANY($1::uuid[]) OR b.borrower_id = ANY($1::uuid[]))"
        " AND coalesce(lender.customer_id, b.subject_id) <> coalesce(borrower.customer_id, b.borrower_id)"
        " AND NOT EXISTS (SELECT 1 FROM ledger_lines WHERE source = 'transfer'"
        "  AND source_id = b.request_id || '/' || b.lot_id || '/back')"
        " ORDER BY b.borrowed_at, b.request_id, b.lot_id",
        list(subject_ids),
    )
    return [
        Borrowed(
            row["request_id"],
            row["lot_id"],
            row["subject_id"],
            row["borrower_id"],
            row["points"],
            Kind(row["kind"]),
            row["borrowed_at"],
        )
        for row in rows
    ]


async def subjects_expiring(database: Database, now: datetime, limit: int) -> list[UUID]:
    """Return subjects with open lots past their time."""
    rows = await database.fetch(
        "SELECT DISTINCT subject_id FROM (SELECT subject_id FROM points_lots"
        " WHERE remaining > 0 AND expires_at <= $1 ORDER BY expires_at LIMIT $2) AS expiring",
        now,
        limit,
    )
    return [row["subject_id"] for row in rows]


@dataclass(frozen=True, slots=True)
class Balance:
    """A member's points over all their subjects, one's debt set against another's points.

    `growth` is what purchases earned, net of returns, in the last year.
    """

    active: int
    spent: int
    expired: int
    debt: int
    growth: int


async def balance_of(reads: Transaction | Database, subject_ids: Collection[UUID], now: datetime) -> Balance | None:
    """Return the balance; None where none of the subjects has an account."""
    row = await reads.fetchrow(
        "SELECT count(*) AS accounts, sum(active)::bigint AS active, sum(spent)::bigint AS spent,"
        " sum(expired)::bigint AS expired, sum(debt)::bigint AS debt,"
        " (SELECT coalesce(sum(earned - taken_back), 0)::bigint FROM points_lots"
        "   WHERE subject_id = ANY($1::uuid[]) AND earned_at > $2::timestamptz - make_interval(days => $3)"
        "   AND earned_at <= $2 AND unit_minor > 0) AS growth"
        " FROM points_accounts WHERE subject_id = ANY($1::uuid[])",
        list(subject_ids),
        now,
        GROWTH_DAYS,
    )
    assert row is not None
    if not row["accounts"]:
        return None
    net = row["active"] - row["debt"]
    return Balance(max(net, 0), row["spent"], row["expired"], max(-net, 0), row["growth"])


async def open_lots(database: Database, subject_ids: Collection[UUID]) -> list[Lot]:
    """Return the lots with points left, the soonest to expire first."""
    rows = await database.fetch(
        f"SELECT {_LOT_COLUMNS} FROM points_lots WHERE subject_id = ANY($1::uuid[]) AND remaining > 0"
        " ORDER BY expires_at, lot_id",
        list(subject_ids),
    )
    return [_lot(row) for row in rows]
