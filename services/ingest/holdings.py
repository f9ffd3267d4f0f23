"""What ingest holds of a person, table by table; what is sealed is opened by the export."""

from collections.abc import Mapping

from shared.customers.holdings import ANSWERS, LOG, Held, Holding, Nobodys, by_customer, by_subject

HOLDINGS: Mapping[str, Holding] = {
    **LOG,
    "hook_failures": Held("SELECT to_jsonb(held) AS row FROM hook_failures held WHERE key = ANY($1::uuid[]::text[])"),
    "subjects": Held(
        "SELECT to_jsonb(held) - 'blind_index' AS row FROM subjects held WHERE subject_id = ANY($1::uuid[])"
    ),
    "assignments": by_subject("assignments"),
    "pending_links": Held("SELECT to_jsonb(held) AS row FROM pending_links held WHERE subject_ids && $1::uuid[]"),
    "refused_links": by_subject("refused_links"),
    "originals": Held("SELECT to_jsonb(held) - 'sealed' AS row FROM originals held WHERE key_id = ANY($1::uuid[])"),
    "vault_entries": Held(
        "SELECT to_jsonb(held) - 'sealed' AS row FROM vault_entries held WHERE subject_id = ANY($1::uuid[])"
    ),
    "refusals": Held(
        "SELECT to_jsonb(held) - 'sealed' - 'lookup_digest' AS row FROM refusals held WHERE key_id = ANY($1::uuid[])"
    ),
    "reveals": Held("SELECT to_jsonb(held) AS row FROM reveals held WHERE subject_ids && $1::uuid[]"),
    "erasures": by_customer("erasures"),
    "erased_subjects": by_subject("erased_subjects"),
    "exports": Held("SELECT to_jsonb(held) - 'sealed' AS row FROM exports held WHERE customer_id = ANY($1::uuid[])"),
    "idempotency_keys": ANSWERS,
    "dedup_keys": Nobodys("keyed hashes of the keys of events, so that each counts once"),
    "terminal_epochs": Nobodys("runs of numbers of tills"),
    "sources": Nobodys("who may send"),
    "closed_identifiers": Nobodys("keyed hashes of identifiers whose owners were erased"),
    "erasure_confirmations": Nobodys("which service confirmed an erasure, and when"),
    "retention_marks": Nobodys("how far bodies of the log have expired"),
    "schedule_runs": Nobodys("when recurring work ran"),
}

VAULT_HOLDINGS: Mapping[str, Holding] = {
    "subject_keys": Nobodys("the keys that open the rest; an export holds what they open"),
}
