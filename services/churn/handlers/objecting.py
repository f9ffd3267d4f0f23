"""Objections to profiling: no score, no warning, from the moment that the withdrawal arrives."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

from services.churn.handlers import transitions
from services.churn.store import consents, scores, warnings
from shared.customers import customers_of
from shared.customers.erasures import erased_among
from shared.customers.objections import PersonalisationConsent, keep_consents
from shared.db import Transaction


async def record_consents(tx: Transaction, said: Sequence[PersonalisationConsent]) -> None:
    """Keep what was said about personalisation; drop at once what was concluded of those who withdrew it."""
    erased = await erased_among(tx, {fact.subject_id for fact in said})
    kept = [fact for fact in said if fact.subject_id not in erased]
    if not kept:
        return
    await keep_consents(tx, kept)
    customer_ids = set((await customers_of(tx, {fact.subject_id for fact in kept})).values())
    objecting = await consents.objecting_among(tx, customer_ids)
    if objecting:
        at = max(fact.occurred_at for fact in kept)
        await scores.lock_scoring(tx)
        await drop(tx, objecting, as_of=at.date(), at=at)


async def drop(tx: Transaction, customer_ids: Collection[UUID], *, as_of: date, at: datetime) -> None:
    """Delete these customers' scores, and close their warnings aloud, so that those who were told know."""
    ordered = sorted(customer_ids)
    open_warnings = await warnings.open_of(tx, ordered)
    await transitions.close(tx, open_warnings, outcome="dismissed", as_of=as_of, at=at)
    await scores.forget_customers(tx, ordered)
