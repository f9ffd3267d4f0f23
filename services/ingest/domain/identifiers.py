"""The identifiers of an input: normalised, blind, strongest first; what names nobody is left out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Self
from uuid import UUID

from services.ingest.domain.faults import Fault, Refused
from services.ingest.domain.quality import Correction, rule_of_namespace
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
from shared.records import record

IDENTIFIERS_MAX = 20
REMEMBERED_MAX = 20_000
CHARS_REMEMBERED_MAX = 200
"""A device or a customer says several things in a row, and normalising and blinding take most of reading one."""
_NOBODY = re.compile(r"is (empty|a placeholder)")


@dataclass(frozen=True, slots=True)
class Identifier:
    """One normalised identifier. `value` is personal data: it goes into the vault and nowhere else."""

    namespace: str
    value: str = field(repr=False)
    blind_index: bytes
    masked: str
    is_device: bool
    first_subject_id: UUID
    generation_min: int = 0
    """Above 0 where an owner before was erased."""

    @classmethod
    def of(cls, keys: BlindIndexKeys, namespace: str, normalised: str) -> Self:
        index = keys.blind_index(namespace, normalised)
        return cls(
            namespace,
            normalised,
            index,
            mask(namespace, normalised),
            subject_kind_of(namespace) == "device",
            subject_id_for(namespace, index),
        )

    @property
    def may_be_reissued(self) -> bool:
        """Whether the same value can come to mean somebody else, such as a phone number."""
        return self.namespace not in NEVER_REISSUED and not self.is_device

    def subject_id(self, generation: int = 0) -> UUID:
        latest = max(generation, self.generation_min)
        return subject_id_for(self.namespace, self.blind_index, latest) if latest else self.first_subject_id


@record
class Identified:
    """The identifiers that hold, strongest first, and what was left out."""

    identifiers: tuple[Identifier, ...]
    ignored: Fault | None = None
    corrections: tuple[Correction, ...] = ()


def identify(keys: BlindIndexKeys, pairs: Sequence[tuple[str, str, str]], region: str) -> Identified:
    """Normalise (namespace, value, field) triples.

    A value that names nobody ("null", zeros, 13800138000) is left out and reported, since a receipt must not
    be lost because a cashier typed nonsense. Raises Refused, naming the field, for any other invalid one.
    """
    found: dict[tuple[str, bytes], Identifier] = {}
    ignored = None
    corrections: list[Correction] = []
    for namespace, value, place in pairs:
        try:
            identifier = blind(keys, namespace, value, region)
        except InvalidIdentifier as error:
            ignored = _nobody(
                error, place.removesuffix("/value") + "/namespace" if error.field == "namespace" else place
            )
        else:
            found[namespace, identifier.blind_index] = identifier
            if identifier.value != value:
                corrections.append(Correction(rule_of_namespace(namespace).name, place))
    ordered = sorted(found.values(), key=lambda one: (strength_rank(one.namespace), one.blind_index))
    return Identified(tuple(ordered[:IDENTIFIERS_MAX]), ignored, tuple(corrections))


def blind(keys: BlindIndexKeys, namespace: str, value: str, region: str) -> Identifier:
    """Normalise one identifier. Raises InvalidIdentifier."""
    is_long = len(value) > CHARS_REMEMBERED_MAX
    return (_blind.__wrapped__ if is_long else _blind)(keys, namespace, value, region)


@lru_cache(maxsize=REMEMBERED_MAX)
def _blind(keys: BlindIndexKeys, namespace: str, value: str, region: str) -> Identifier:
    return Identifier.of(keys, namespace, normalise(namespace, value, region))


def _nobody(error: InvalidIdentifier, place: str) -> Fault:
    """Say what is left out, or raise Refused where leaving it out would hide a mistake."""
    if _NOBODY.match(error.reason):
        return Fault("identifier_ignored", f"{error.field} {error.reason}; it was left out", place)
    code = "card_number" if "payment card" in error.reason else "invalid_identifier"
    raise Refused(code, f"{error.field} {error.reason}; {error.cure}", place) from error
