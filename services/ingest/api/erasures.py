"""`/v1/erasures`: the right to be forgotten."""

from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Response

from services.ingest.api.dependencies import Ingest, IngestDep
from services.ingest.domain.certificates import ALGORITHM, is_genuine, sign
from services.ingest.domain.digests import key_digest
from services.ingest.errors import CustomerNotFound, ErasureUnfinished
from services.ingest.handlers.identity import recognising
from services.ingest.handlers.privacy import erasing
from services.ingest.handlers.privacy.erasing import Wish
from services.ingest.schemas.erasures import (
    CertificateIn,
    CertificateOut,
    ConfirmationOut,
    ErasureIn,
    ErasureOut,
    GenuineOut,
    SignatureOut,
)
from services.ingest.schemas.receipts import IdentifierIn
from services.ingest.store import erasures as store
from services.ingest.store.erasures import Erasure
from shared.customers.assignments import Reads
from shared.http.auth import depends, requires
from shared.http.body import Router
from shared.http.idempotency import Answer, IdempotentRequest, idempotent, run_once

router = Router(prefix="/v1/erasures", tags=["privacy"])

MAY = depends(requires("privacy:write"))
Once = Annotated[IdempotentRequest, Depends(idempotent("privacy:write"))]
ErasureId = Annotated[UUID, Path(description="as the request's answer named it")]


@router.post("", status_code=202, response_model=ErasureOut, summary="Forget a person")
async def request_erasure(asked: ErasureIn, once: Once, ingest: IngestDep) -> Response:
    """Queue the erasure of a customer; everything is unreadable within a minute and gone within an hour.

    It takes its place among all events: what came before it is forgotten, in every service. Ask
    `GET /v1/erasures/{erasure_id}` how far it is.
    """
    wish = Wish(
        customer_id=await person_meant(asked.customer_id, asked.identifier, ingest),
        reason=asked.reason,
        requested_by=asked.requested_by,
        guardian=None if asked.guardian is None else f"{asked.guardian.relation}: {asked.guardian.proof}",
    )
    async with ingest.database.transaction() as tx:

        async def effect() -> Answer:
            made = await erasing.request_erasure(tx, ingest.secrets, wish, once.caller.actor, ingest.clock.now())
            return Answer.of(await _shown(tx, ingest, made), 202)

        answer = await run_once(tx, _blind(once, ingest), effect, now=ingest.clock.now())
    return answer.response()


@router.get("/{erasure_id}", dependencies=[MAY], summary="How far an erasure is")
async def get_erasure(erasure_id: ErasureId, ingest: IngestDep) -> ErasureOut:
    """Say what was done when, and which services have confirmed."""
    return await _shown(ingest.database, ingest, await erasing.find_erasure(ingest.database, erasure_id))


@router.get("/{erasure_id}/certificate", dependencies=[MAY], summary="The certificate of an erasure")
async def get_certificate(erasure_id: ErasureId, ingest: IngestDep) -> CertificateOut:
    """Return what was done where and when, signed. 409 `erasure_unfinished` until every service has confirmed."""
    found = await erasing.find_erasure(ingest.database, erasure_id)
    if found.confirmed_at is None:
        raise ErasureUnfinished("not every service has confirmed yet; GET /v1/erasures/{erasure_id} says which")
    shown = await _shown(ingest.database, ingest, found)
    certificate: dict[str, Any] = shown.model_dump(mode="json", exclude={"state", "waiting_for"})
    signature = SignatureOut(algorithm=ALGORITHM, value=sign(ingest.secrets.certificates, certificate))
    return CertificateOut(certificate=certificate, signature=signature)


@router.post("/certificates:verify", dependencies=[MAY], summary="Whether a certificate is ours")
async def verify_certificate(given: CertificateIn, ingest: IngestDep) -> GenuineOut:
    """Say whether this deployment signed exactly this certificate."""
    genuine = is_genuine(ingest.secrets.certificates, given.certificate, given.signature.value)
    return GenuineOut(genuine=genuine)


async def person_meant(customer_id: UUID | None, identifier: IdentifierIn | None, ingest: Ingest) -> UUID:
    """Return the customer that a request names by one of the two. Raises CustomerNotFound, BadIdentifier."""
    if customer_id is not None:
        return customer_id
    assert identifier is not None
    found = await recognising.resolve(
        ingest.database,
        ingest.secrets,
        identifier.namespace,
        identifier.value,
        ingest.settings.region,
        await ingest.closed.now(),
    )
    if not found.is_known:
        raise CustomerNotFound("nobody is known under this identifier", field="/identifier")
    return found.customer_id


def _blind(once: IdempotentRequest, ingest: Ingest) -> IdempotentRequest:
    """Key the fingerprint: a plain digest of a body that names a phone number is guessed within hours."""
    return replace(once, fingerprint=key_digest(ingest.secrets.keys, once.fingerprint).hex())


async def _shown(reads: Reads, ingest: Ingest, erasure: Erasure) -> ErasureOut:
    confirmations = await store.confirmations_of(reads, erasure.erasure_id)
    subjects = await store.subjects_of_erasure(reads, erasure.erasure_id)
    done = {one.service for one in confirmations}
    return ErasureOut(
        erasure_id=erasure.erasure_id,
        customer_id=erasure.customer_id,
        state=erasure.state,
        reason=erasure.reason,
        requested_by=erasure.requested_by,
        guardian=erasure.guardian,
        requested_at=erasure.requested_at,
        executed_at=erasure.executed_at,
        unreadable_at=erasure.unreadable_at,
        rewritten_at=erasure.rewritten_at,
        confirmed_at=erasure.confirmed_at,
        subjects=len(subjects),
        counts=erasure.counts or {},
        services=[ConfirmationOut.model_validate(one) for one in confirmations],
        waiting_for=[service for service in ingest.settings.erasure_peers if service not in done],
    )
