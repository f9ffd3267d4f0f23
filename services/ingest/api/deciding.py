"""`/v1/identities/…`: who belongs together and why, and what people decide about it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Response
from pydantic import TypeAdapter

from services.ingest.api.dependencies import Admin, Ingest, IngestDep, Reader, Writer
from services.ingest.domain.tokens import source_secret
from services.ingest.errors import DecisionNotFound, DecisionRefused, NotTheirs, SourceNotFound
from services.ingest.handlers.identity import claiming, explaining, relating
from services.ingest.handlers.identity.claiming import Claim, Proof
from services.ingest.handlers.identity.deciding import Deciding
from services.ingest.handlers.identity.recognising import resolve_known
from services.ingest.mapping.receipts import till_key
from services.ingest.schemas.deciding import (
    BecauseIn,
    ClaimIn,
    DecisionOut,
    IdentityOut,
    LinkIn,
    LinkOut,
    QuarantinedOut,
    RelationIn,
    RelationKind,
    RelationOut,
    RelationsOut,
    SubjectOut,
    TokenSecretOut,
    UnmergeIn,
    WhyOut,
)
from services.ingest.store import identities
from services.ingest.store.identities import DONE, Decision
from shared.http.body import Router
from shared.http.pagination import Page, PageCursor, PageLimit, decode_cursor, next_cursor
from shared.identity import receipt_id_for

router = Router(prefix="/v1/identities", tags=["identities"])

_POSITION = TypeAdapter(tuple[datetime, UUID])
_CURES = {
    "still_connected": "other links connect them too; name the subjects to split off instead",
    "nothing_left": "these are all identifiers of the customer; leave those out that stay",
    "already_claimed": "the receipt belongs to another customer; undo that claim first",
    "not_in_quarantine": "this identifier is not in quarantine",
    "quarantined": "one of them is in quarantine; release it first",
    "too_many_subjects": "together they would have more identifiers than a customer may have",
    "device_is_shared": "the device belongs to somebody else; a device never joins two",
    "unknown_subject": "one of them was never seen",
}
SubjectId = Annotated[UUID, Path(description="any identifier's subject, or a customer's id")]


def deciding_of(ingest: Ingest) -> Deciding:
    return Deciding(ingest.database, ingest.secrets, ingest.clock)


def answered(decision: Decision, response: Response) -> DecisionOut:
    """Answer 200 with what was done, 202 while it waits to be numbered. Raises DecisionRefused."""
    if decision.outcome is None:
        response.status_code = 202
    elif decision.outcome != DONE:
        code = decision.outcome
        message = _CURES.get(code, "the rules of identity are against it")
        raise DecisionRefused(message, errors=[{"code": code, "message": message}])
    return DecisionOut.model_validate(decision)


@router.get("/quarantine")
async def list_quarantine(
    ingest: IngestDep, _caller: Reader, limit: PageLimit = 50, cursor: PageCursor = None
) -> Page[QuarantinedOut]:
    """List the identifiers that link nobody until a reviewer releases them, the latest first."""
    after = decode_cursor(cursor, {}, _POSITION)
    found = await identities.quarantine_page(ingest.database, after, limit)
    items = [QuarantinedOut.model_validate(dict(row)) for row in found]
    position = (found[-1]["since"], found[-1]["subject_id"]) if found else ()
    return Page(items=items, next_cursor=next_cursor(items, limit, position, {}))


@router.get("/decisions/{decision_id}")
async def show_decision(decision_id: UUID, ingest: IngestDep, _caller: Reader) -> DecisionOut:
    """Show what was decided, and what came of it."""
    found = await identities.decision_of(ingest.database, decision_id)
    if found is None:
        raise DecisionNotFound("there is no such decision", field="decision_id")
    return DecisionOut.model_validate(found)


@router.get("/token-secrets/{source_id}")
async def show_token_secret(
    source_id: Annotated[str, Path(min_length=1, max_length=128)], ingest: IngestDep, _caller: Admin
) -> TokenSecretOut:
    """Show the secret with which the shop's server signs who is signed in on a page of this public source."""
    if source_id not in await ingest.sources.ids():
        raise SourceNotFound(f"there is no source {source_id}", field="source_id")
    return TokenSecretOut(source_id=source_id, secret=source_secret(ingest.secrets.tokens, source_id))


@router.post("/claims")
async def claim_receipt(asked: ClaimIn, ingest: IngestDep, caller: Writer, response: Response) -> DecisionOut:
    """Give a receipt that named nobody to a customer who proves that it is theirs.

    A wrong proof and a receipt that does not exist are answered alike; after five wrong proofs a receipt can
    only be linked by a person.
    """
    named = asked.identifier
    closed = await ingest.closed.now()
    claimant = await resolve_known(
        ingest.database, ingest.secrets, named.namespace, named.value, ingest.settings.region, closed
    )
    receipt_id = asked.message_id
    if receipt_id is None:
        assert asked.receipt is not None
        receipt_id = receipt_id_for(till_key(asked.receipt), ingest.secrets.event_ids)
    claim = Claim(receipt_id, claimant, Proof(asked.proof.total_minor, asked.proof.business_date))
    decision = await claiming.claim(ingest.database, deciding_of(ingest), claim, caller, ingest.clock.now())
    return answered(decision, response)


@router.post("/claims/{message_id}:undo")
async def undo_claim(
    message_id: UUID, asked: BecauseIn, ingest: IngestDep, caller: Admin, response: Response
) -> DecisionOut:
    """Take a claim back: the receipt is a guest's again."""
    decision = await claiming.undo_claim(ingest.database, deciding_of(ingest), message_id, caller.actor, asked.reason)
    return answered(decision, response)


@router.get("/{identity_id}")
async def show_identity(identity_id: SubjectId, ingest: IngestDep, _caller: Reader) -> IdentityOut:
    """Show a customer's identifiers, masked, by the id of any of them."""
    found = await explaining.identity_of(ingest.database, identity_id)
    return IdentityOut(
        customer_id=found.customer_id, subjects=[SubjectOut.model_validate(dict(row)) for row in found.subjects]
    )


@router.get("/{identity_id}/why")
async def explain_identity(identity_id: SubjectId, ingest: IngestDep, _caller: Reader) -> WhyOut:
    """Explain a customer: every link with its cause, event, rules and time, every refusal and every decision."""
    found = await explaining.why(ingest.database, identity_id)
    return WhyOut(
        customer_id=found.identity.customer_id,
        subjects=[SubjectOut.model_validate(dict(row)) for row in found.identity.subjects],
        links=[LinkOut.model_validate(link) for link in found.links],
        decisions=[DecisionOut.model_validate(one) for one in found.decisions],
        kept_apart=list(found.apart),
    )


@router.post("/{customer_id}:link")
async def link_subjects(
    customer_id: SubjectId, asked: LinkIn, ingest: IngestDep, caller: Admin, response: Response
) -> DecisionOut:
    """Make one customer of these subjects and this one's, because a person says so; ends being kept apart."""
    for subject_id in {customer_id, *asked.subject_ids}:
        await explaining.identity_of(ingest.database, subject_id)
    chosen = list(dict.fromkeys([customer_id, *asked.subject_ids]))
    decision = await deciding_of(ingest).decide("linked", chosen, actor=caller.actor, reason=asked.reason)
    return answered(decision, response)


@router.post("/{customer_id}:unmerge")
async def unmerge_customer(
    customer_id: SubjectId, asked: UnmergeIn, ingest: IngestDep, caller: Admin, response: Response
) -> DecisionOut:
    """Split subjects off from a customer, or take back what one event linked.

    The two sides are kept apart from then on, whatever identifiers they share, until a person links them.
    """
    found = await explaining.identity_of(ingest.database, customer_id)
    theirs = {row["subject_id"] for row in found.subjects}
    chosen = asked.subject_ids or (found.customer_id,)
    if not theirs.issuperset(chosen):
        raise NotTheirs("not all of these are this customer's; see GET /v1/identities/{id}", field="/subject_ids")
    if asked.subject_ids is not None and theirs == set(chosen):
        raise NotTheirs("these are all of the customer's; leave those out that stay", field="/subject_ids")
    decision = await deciding_of(ingest).decide(
        "unmerged", chosen, actor=caller.actor, reason=asked.reason, about_event_id=asked.event_id
    )
    return answered(decision, response)


@router.post("/{subject_id}:quarantine")
async def quarantine_subject(
    subject_id: SubjectId, asked: BecauseIn, ingest: IngestDep, caller: Admin, response: Response
) -> DecisionOut:
    """Let an identifier link nobody: a cashier's own card, a tablet that everybody uses."""
    await explaining.identity_of(ingest.database, subject_id)
    decision = await deciding_of(ingest).decide("quarantined", [subject_id], actor=caller.actor, reason=asked.reason)
    return answered(decision, response)


@router.post("/{subject_id}:release")
async def release_subject(
    subject_id: SubjectId, asked: BecauseIn, ingest: IngestDep, caller: Admin, response: Response
) -> DecisionOut:
    """Let an identifier link again; what was held is linked now, and no rule puts it into quarantine again."""
    await explaining.identity_of(ingest.database, subject_id)
    decision = await deciding_of(ingest).decide("released", [subject_id], actor=caller.actor, reason=asked.reason)
    return answered(decision, response)


@router.get("/{customer_id}/relations")
async def list_relations(customer_id: SubjectId, ingest: IngestDep, _caller: Reader) -> RelationsOut:
    """List the customers whom this one shares a household with, or is otherwise related to."""
    found = await explaining.identity_of(ingest.database, customer_id)
    rows = await relating.relations_of(ingest.database, found)
    return RelationsOut(
        customer_id=found.customer_id, relations=[RelationOut.model_validate(dict(row)) for row in rows]
    )


@router.put("/{customer_id}/relations")
async def relate_customers(
    customer_id: SubjectId, asked: RelationIn, ingest: IngestDep, caller: Admin
) -> RelationsOut:
    """Say what another customer is to this one; both stay customers of their own, with their own figures."""
    one = await explaining.identity_of(ingest.database, customer_id)
    other = await explaining.identity_of(ingest.database, asked.customer_id)
    await relating.relate(
        ingest.database, deciding_of(ingest), one, other, asked.kind, actor=caller.actor, reason=asked.reason
    )
    return await list_relations(customer_id, ingest, caller)


@router.delete("/{customer_id}/relations/{other_id}/{kind}", status_code=204)
async def unrelate_customers(
    customer_id: SubjectId, other_id: UUID, kind: RelationKind, ingest: IngestDep, caller: Admin
) -> None:
    """Take a relation back, on both sides."""
    one = await explaining.identity_of(ingest.database, customer_id)
    other = await explaining.identity_of(ingest.database, other_id)
    await relating.unrelate(ingest.database, deciding_of(ingest), one, other, kind, actor=caller.actor)
