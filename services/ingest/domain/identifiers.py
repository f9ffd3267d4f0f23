"""The identifiers of an input: normalised, blind, strongest first; what names nobody is left out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from services.ingest.domain.faults import Fault, Refused
from shared.identity import (
    NEVER_REISSUED,
    BlindIndexKeys,
    InvalidIdentifier,
    mask,
    normalise,
    strength_rank,
    subject_id_for,
    subject_kind_of,
)

IDENTIFIERS_MAX = 20
_NOBODY = re.compile(r"is (empty|a placeholder)")


@dataclass(frozen=True, slots=True)
class Identifier:
    """One normalised identifier. `value` is personal data: it goes into the vault and nowhere else."""

    namespace: str
    value: str
    blind_index: bytes
    generation_min: int = 0
    """Above 0 where an owner before was erased."""

    @property
    def is_device(self) -> bool:
        return subject_kind_of(self.namespace) == "device"

    @property
    def may_be_reissued(self) -> bool:
        """Whether the same value can come to mean somebody else, such as a phone number."""
        return self.namespace not in NEVER_REISSUED and not self.is_device

    @property
    def masked(self) -> str:
        return mask(self.namespace, self.value)

    def subject_id(self, generation: int = 0) -> UUID:
        return subject_id_for(self.namespace, self.blind_index, max(generation, self.generation_min))


@dataclass(frozen=True, slots=True)
class Identified:
    """The identifiers that hold, strongest first, and what was left out."""

    identifiers: tuple[Identifier, ...]
    ignored: Fault | None = None


def identify(keys: BlindIndexKeys, pairs: Sequence[tuple[str, str, str]], region: str) -> Identified:
    """Normalise (namespace, value, field) triples.

    A value that names nobody ("null", zeros, 13800138000) is left out and reported, since a receipt must not
    be lost because a cashier typed nonsense. Raises Refused, naming the field, for any other invalid one.
    """
    found: dict[tuple[str, bytes], Identifier] = {}
    ignored = None
    for namespace, value, field in pairs:
        try:
            identifier = blind(keys, namespace, value, region)
        except InvalidIdentifier as error:
            ignored = _nobody(
                error, field.removesuffix("/value") + "/namespace" if error.field == "namespace" else field
            )
        else:
            found[namespace, identifier.blind_index] = identifier
    ordered = sorted(found.values(), key=lambda one: (strength_rank(one.namespace), one.blind_index))
    return Identified(tuple(ordered[:IDENTIFIERS_MAX]), ignored)


def blind(keys: BlindIndexKeys, namespace: str, value: str, region: str) -> Identifier:
    """Normalise one identifier. Raises InvalidIdentifier."""
    normalised = normalise(namespace, value, region)
    return Identifier(namespace, normalised, keys.blind_index(namespace, normalised))


def _nobody(error: InvalidIdentifier, field: str) -> Fault:
    """Say what is left out, or raise Refused where leaving it out would hide a mistake."""
    if _NOBODY.match(error.reason):
        return Fault("identifier_ignored", f"{error.field} {error.reason}; it was left out", field)
    code = "card_number" if "payment card" in error.reason else "invalid_identifier"
    raise Refused(code, f"{error.field} {error.reason}; {error.cure}", field) from error
