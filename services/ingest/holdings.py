"""What ingest holds of a person, table by table; what is sealed is opened by the export."""

from collections.abc import Mapping

from shared.customers.holdings import ANSWERS, LOG, Held, Holding, Nobodys, by_customer, by_subject


def _by_pair(table: str) -> Held:
    return Held(
        f"SELECT to_jsonb(held) AS row FROM {table} held"
        " WHERE left_id = ANY($1::uuid[]) OR right_id = ANY($1::uuid[])"
    )


HOLDINGS: Mapping[str, Holding] = {
    **LOG,
    "hook_failures": Held("SELECT to_jsonb(held) AS row FROM hook_failures held WHERE key = ANY($1::uuid[]::text[])"),
    "subjects": Held(
        "SELECT to_jsonb(held) - 'blind_index' AS row FROM subjects held WHERE subject_id = ANY($1::uuid[])"
    ),
    "assignments": by_subject("assignments"),
    "pending_links": Held(
        "SELECT to_jsonb(held) - 'given_mark' - 'born_mark' AS row FROM pending_links held"
        " WHERE subject_ids && $1::uuid[]"
    ),
    "marks": Held(
        "SELECT jsonb_build_object('subject_id', subject_id, 'event_id', event_id, 'of_given_name', given <> '',"
        " 'of_birthday', born <> '') AS row FROM marks held WHERE subject_id = ANY($1::uuid[])"
    ),
    "links": _by_pair("links"),
    "apart": _by_pair("apart"),
    "relations": _by_pair("relations"),
    "decisions": Held("SELECT to_jsonb(held) AS row FROM decisions held WHERE subject_ids && $1::uuid[]"),
    "quarantine": by_subject("quarantine"),
    "sightings": by_subject("sightings"),
    "awaited_originals": by_subject("awaited_originals"),
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
    "terminal_clocks": Nobodys("how wrong the clocks of tills are"),
    "web_orders": Nobodys("keyed hashes of orders' numbers, and which receipt counts for each"),
    "claim_tries": Nobodys("how often somebody failed to prove that a guest's receipt is theirs"),
    "watch_positions": Nobodys("how far receipts were looked at for identifiers that too many use"),
    "sources": Nobodys("who may send"),
    "source_keys": Nobodys("digests of senders' keys"),
    "limit_buckets": Nobodys("how much of its limit a sender has left"),
    "source_figures": Nobodys("counts of a sender's events by day"),
    "tracking_plans": Nobodys("what senders are expected to say"),
    "plan_violations": Nobodys("where senders said something else; types in place of values"),
    "quality_figures": Nobodys("how often each rule of quality corrected something"),
    "product_codes": Nobodys("the catalogue"),
    "webhooks": Nobodys("secrets of other systems, sealed"),
    "imports": Nobodys("files that were uploaded, by name, and counts"),
    "import_chunks": Nobodys("a file until it is read, under its own key; what it says is held from then on"),
    "import_lines": Nobodys("which lines of a file were refused and why, without their values"),
    "closed_identifiers": Nobodys("keyed hashes of identifiers whose owners were erased"),
    "erasure_confirmations": Nobodys("which service confirmed an erasure, and when"),
    "retention_marks": Nobodys("how far bodies of the log have expired"),
    "schedule_runs": Nobodys("when recurring work ran"),
}

VAULT_HOLDINGS: Mapping[str, Holding] = {
    "subject_keys": Nobodys("the keys that open the rest; an export holds what they open"),
}
