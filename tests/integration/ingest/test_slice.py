from tests.integration.ingest.conftest import Running, receipt

async def test_slice(ingest: Running) -> None:
    r = await ingest.post("/v1/receipts", receipt(1))
    print(r.status_code, r.text)
    r = await ingest.post("/v1/receipts", {"receipts": [receipt(1), receipt(2), receipt(1, training=True), receipt(3, kind="nonsense")]})
    print(r.status_code, r.text)
    for t in ("events","unnumbered","subjects","pending_links","originals","vault_entries","refusals","dedup_keys","terminal_epochs"):
        print(t, await ingest.count(t))
    assert 0
