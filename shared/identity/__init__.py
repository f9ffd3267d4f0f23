"""Identifiers of people and the ids made from them: normalising, blind indexes, subjects, masks."""

from shared.identity.ids import (
    TillKey,
    event_id_for,
    guest_subject_id,
    receipt_id_for,
    subject_id_for,
    thing_subject_id,
    transition_id,
)
from shared.identity.keys import BlindIndexKeys, UnknownNamespace, derive_key
from shared.identity.masking import mask
from shared.identity.namespaces import NEVER_REISSUED, STRENGTH, is_namespace, strength_rank, subject_kind_of
from shared.identity.normalise import InvalidIdentifier, normalise

__all__ = [
    "NEVER_REISSUED",
    "STRENGTH",
    "BlindIndexKeys",
    "InvalidIdentifier",
    "TillKey",
    "UnknownNamespace",
    "derive_key",
    "event_id_for",
    "guest_subject_id",
    "is_namespace",
    "mask",
    "normalise",
    "receipt_id_for",
    "strength_rank",
    "subject_id_for",
    "subject_kind_of",
    "thing_subject_id",
    "transition_id",
]
