"""Files: looked at, worked off in batches, reported line by line; twice is once."""

import pytest

from shared.events.customers import AttributesChangedV1
from shared.events.products import PriceChangedV1, ProductChangedV1
from shared.events.receipts import ReceiptRecordedV1
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.importing import PRODUCTS, imported, report_of, upload, work_of

pytestmark = pytest.mark.postgres


async def test_a_file_of_products_becomes_the_events_that_the_route_would_have_made(ingest: Running) -> None:
    ended = await imported(ingest, PRODUCTS, kind="products", name="products.csv")
    assert ended["state"] == "done", ended
    progress = ended["progress"]
    assert (progress["rows_total"], progress["rows_read"], progress["accepted"], progress["refused"]) == (2, 2, 2, 0)
    first, second = sorted(await ingest.envelopes(), key=lambda one: one.data.product_id)
    assert first.data == ProductChangedV1(
        product_id="0042", name="Cheddar", brand="Dairyland", categories=("GROCERY", "CHEESE")
    )
    assert second.data.product_id == "0043"
    assert (first.source.kind, first.source.id) == ("file", "files")
    number = await ingest.database.fetchval("SELECT encode(digest, 'hex') FROM imports")
    where = (await ingest.get(f"/v1/events/{number[:32]}-2")).json()
    assert (where["state"], where["event_id"]) == ("stored", str(first.event_id))
    assert await ingest.count("import_chunks") == 0


async def test_the_same_file_again_is_the_same_import_and_changes_nothing(ingest: Running) -> None:
    first = await imported(ingest, PRODUCTS, kind="products", name="products.csv")
    again = await upload(ingest, PRODUCTS, kind="products", name="other-name.csv")
    assert again.status_code == 200
    assert (again.json()["import_id"], again.json()["is_repeat"]) == (first["import_id"], True)
    assert await ingest.count("events") == 2
    assert await ingest.count("import_chunks") == 0


async def test_a_corrected_file_as_of_the_same_moment_brings_only_what_differs(ingest: Running) -> None:
    moment = "2026-03-01T06:00:00+08:00"
    first = b"sku,price\nP1,5.00\nP2,oops\nP3,7\n"
    begun = await imported(ingest, first, kind="prices", name="prices.csv", as_of=moment)
    assert (begun["progress"]["accepted"], begun["progress"]["refused"]) == (2, 1)
    corrected = await imported(ingest, first.replace(b"oops", b"6"), kind="prices", name="prices.csv", as_of=moment)
    assert (corrected["progress"]["accepted"], corrected["progress"]["repeated"]) == (1, 2)
    prices = {one.data.product_id: one.data for one in await ingest.envelopes()}
    assert prices["P2"] == PriceChangedV1(product_id="P2", currency="CNY", price_minor=600)
    assert {one.occurred_at.isoformat() for one in await ingest.envelopes()} == {"2026-02-28T22:00:00+00:00"}


async def test_every_refused_line_is_reported_with_its_column_and_the_rest_is_taken(ingest: Running) -> None:
    lines = "会员卡号,手机号,attributes.level,生日\n0012,13912345678,gold,1990-01-01\n6.0E+09,,silver,\n0013,123,x,\n"
    ended = await imported(ingest, lines.encode("gb18030"), kind="customers", name="members.csv")
    assert ended["reading"]["encoding"] == "gb18030"
    assert (ended["progress"]["accepted"], ended["progress"]["refused"]) == (1, 2)
    spoiled, phone = await report_of(ingest, ended["import_id"])
    assert (spoiled["line_number"], spoiled["code"], spoiled["column"]) == ("3", "spreadsheet_number", "会员卡号")
    assert (phone["line_number"], phone["code"], phone["column"]) == ("4", "invalid_identifier", "手机号")
    assert phone["field"] == "/identifiers/1/value"
    assert await ingest.count("refusals") == 2
    (changed,) = await ingest.envelopes()
    assert changed.data == AttributesChangedV1(attributes={"level": "gold"})


async def test_a_file_holds_no_identifier_in_the_clear_in_any_table(ingest: Running) -> None:
    canary = "13912345678"
    body = f"phone,name,attributes.note\n{canary},Canary Bird,ok\n{canary}9999,Canary Bird,ok\n".encode()
    await upload(ingest, body, kind="customers", name="members.csv")
    assert await ingest.count("import_chunks") == 1
    for moment in ("while it waits", "when it is done"):
        tables = await ingest.database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            rows = await ingest.database.fetch(f"SELECT t::text AS row FROM {table} t")
            dump = " ".join(row["row"] for row in rows)
            assert canary not in dump, (table, moment)
            assert "Canary" not in dump, (table, moment)
            assert canary.encode().hex() not in dump, (table, moment)
        await work_of(ingest).run()


async def test_a_preview_shows_what_each_column_became_and_what_would_be_refused(ingest: Running) -> None:
    body = b"SKU;Price;from\nP1;12,50;03/04/2026\nP2;9,00;2026-03-01\n"
    answer = await upload(ingest, body, kind="prices", name="prices.csv", preview=True)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["state"] == "waiting"
    seen = made["preview"]
    assert seen["delimiter"] == ";"
    assert {one["column"]: one["target"] for one in seen["columns"]} == {
        "SKU": "product_id",
        "Price": "price",
        "from": "valid_from_at",
    }
    assert [one["line"] for one in seen["refusals"]] == [2, 3]
    assert any("decimal=," in hint for hint in seen["hints"])
    other = await ingest.post(f"/v1/imports/{made['import_id']}:preview", {"decimal": ","})
    assert [one["code"] for one in other.json()["refusals"]] == ["ambiguous_date"]
    assert "date_format" in other.json()["hints"][0]
    assert [row["item"]["price_minor"] for row in other.json()["rows"]] == [900]
    await work_of(ingest).run()
    assert await ingest.count("events") == 0
    started = await ingest.post(f"/v1/imports/{made['import_id']}:start", {"decimal": ",", "date_format": "dmy"})
    assert started.json()["state"] == "queued", started.text
    await work_of(ingest).run()
    prices = {one.data.product_id: one.data for one in await ingest.envelopes()}
    assert (prices["P1"].price_minor, prices["P1"].valid_from_at.isoformat()) == (1250, "2026-04-02T16:00:00+00:00")


async def test_a_preview_masks_identifiers_and_contact_data(ingest: Running) -> None:
    body = b"phone,name\n13912345678,Chen Li\n"
    answer = await upload(ingest, body, kind="customers", name="m.csv", preview=True)
    assert "13912345678" not in answer.text
    assert "Chen Li" not in answer.text
    (row,) = answer.json()["preview"]["rows"]
    assert row["item"]["identifiers"] == [{"namespace": "phone", "masked": "139****5678"}]


async def test_a_file_without_a_needed_column_is_refused_with_the_names_it_has(ingest: Running) -> None:
    answer = await upload(ingest, b"code,title\n1,Cheddar\n", kind="products", name="p.csv")
    assert answer.status_code == 422
    assert "product_id" in answer.json()["message"]
    assert "code, title" in answer.json()["message"]
    assert await ingest.count("imports") == 0
    assert await ingest.count("import_chunks") == 0
    mapped = await imported(
        ingest, b"code,title\n1,Cheddar\n", kind="products", name="p.csv", mapping='{"product_id": "code"}'
    )
    assert mapped["progress"]["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "query", "word"),
    [
        (b"", {"name": "p.csv"}, "empty"),
        (b"\n\n", {"name": "p.csv"}, "empty"),
        (b"a,a\n1,2\n", {"name": "p.csv"}, "twice"),
        (b"sku,name\n", {"name": "p.xlsx"}, "format"),
        (b"PK\x03\x04\x00\x00\x00", {"name": "p.csv"}, "NUL"),
        (b"not parquet at all", {"name": "p.parquet"}, "Parquet"),
        (b"sku,name\n1,x\n", {"name": "p.csv", "encoding": "no-such"}, "encoding"),
        (b"sku,name\n1,x\n", {"name": "p.csv", "mapping": "[]"}, "mapping"),
        (b"sku,name\n1,x\n", {"name": "p.csv", "mapping": '{"product_id": "nowhere"}'}, "mapping"),
        (b"sku,name\n1,x\n", {"name": "p.csv", "time_zone": "Mars/Olympus"}, "zone"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_at_the_door(
    ingest: Running, body: bytes, query: dict[str, str], word: str
) -> None:
    answer = await upload(ingest, body, kind="products", **query)
    assert answer.status_code == 422, answer.text
    assert word in answer.json()["message"]
    assert await ingest.count("imports") == 0
    assert await ingest.count("import_chunks") == 0


async def test_a_store_key_imports_receipts_of_its_own_store_alone(ingest: Running) -> None:
    lines = "customer_id,basket_id,timestamp,product_id,store_id\nc1,b1,2026-03-01,P1,S01\nc1,b2,2026-03-01,P1,S02\n"
    answer = await upload(ingest, lines.encode(), ingest.keys.store, kind="receipt_lines", name="lines.csv")
    assert answer.status_code == 201
    await work_of(ingest).run()
    (line,) = await report_of(ingest, answer.json()["import_id"])
    assert (line["line_number"], line["code"]) == ("3", "store_not_allowed")


async def test_receipt_lines_of_a_file_are_receipts_once_and_the_wrong_basket_is_named_line_by_line(
    ingest: Running,
) -> None:
    head = "customer_id,basket_id,timestamp,product_id,quantity,amount,store_id\n"
    good = "6001234567,b1,2026-03-01 09:30,P1,2,9.00,S01\n6001234567,b1,2026-03-01 09:30,P2,1,4.00,S01\n"
    wrong = "6001234567,b2,2026-03-01 10:30,P1,1,5.00,S01\n6001234567,b2,2026-03-01 10:30,P2,x,5.00,S01\n"
    body = (head + good + wrong).encode()
    ended = await imported(ingest, body, kind="receipt_lines", name="lines.csv")
    assert (ended["progress"]["accepted"], ended["progress"]["refused"], ended["progress"]["rows_read"]) == (1, 1, 4)
    first, second = await report_of(ingest, ended["import_id"])
    assert (first["line_number"], first["reason"]) == ("4", "its receipt is not taken because of line 5")
    assert (second["line_number"], second["column"]) == ("5", "quantity")
    (envelope,) = await ingest.envelopes()
    assert (envelope.data.sold_minor, envelope.store_id) == (1300, "S01")
    mended = await imported(ingest, body.replace(b"P2,x", b"P2,1"), kind="receipt_lines", name="lines.csv")
    assert (mended["progress"]["accepted"], mended["progress"]["repeated"]) == (1, 1)


async def test_lines_of_any_content_are_judged_and_never_fail_the_file(ingest: Running) -> None:
    strange = [
        "null",
        "[]",
        "{}",
        '"\\u0000"',
        '"' + "9" * 400 + '"',
        "1e400",
        "-1",
        "true",
        '"0001-01-01T00:00:00+14:00"',
    ]
    strange += ['"9999-12-31T23:59:59-14:00"', '"1E+999999"', "[[[1]]]", '"=1+1"', '"\\ud800"']
    names = ["sku", "price", "currency", "valid_from", "store_id", "message_id", "occurred_at", "price_minor"]
    names += ["\\u0000", "attributes.\\u0000x"]
    good = '"sku": "P1", "price": "5"'
    lines = [f'{{{good}, "{name}": {value}}}' for name in names for value in strange]
    body = "\n".join(lines).encode()
    ended = await imported(ingest, body, kind="prices", name="prices.ndjson")
    assert ended["state"] == "done", ended["failure"]
    progress = ended["progress"]
    assert progress["rows_read"] == progress["rows_total"] == len(lines)
    assert progress["accepted"] + progress["refused"] + progress["repeated"] + progress["conflicts"] == len(lines)
    people = body.replace(b'"sku": "P1", "price": "5"', b'"phone": "13912345678"')
    assert (await imported(ingest, people, kind="customers", name="people.ndjson"))["state"] == "done"
    baskets = body.replace(b'"price": "5"', b'"customer_id": "c1", "basket_id": "b1", "timestamp": "2026-03-01"')
    assert (await imported(ingest, baskets, kind="receipt_lines", name="lines.ndjson"))["state"] == "done"


@pytest.mark.parametrize(
    "query",
    [
        {"delimiter": '"'},
        {"delimiter": "\n"},
        {"encoding": "idna"},
        {"encoding": "rot13"},
        {"encoding": "unicode_escape"},
        {"as_of": "2026-03-01T00:00:00"},
        {"until": "yesterday"},
        {"mapping": '{"product_id": 7}'},
        {"mapping": "[" * 2000},
        {"currency": "cny"},
        {"provider": "A B"},
        {"kind": "dragons"},
    ],
)
async def test_an_option_that_means_nothing_is_refused_by_name(ingest: Running, query: dict[str, str]) -> None:
    answer = await upload(ingest, PRODUCTS, **{"kind": "products", "name": "p.csv", **query})
    assert answer.status_code == 422, answer.text
    assert next(iter(query)) in answer.text
    assert await ingest.count("imports") == 0


async def test_a_preview_read_otherwise_keeps_what_was_not_said_anew(ingest: Running) -> None:
    body = '{"sku": "P1", "price": "12,50"}\n'.encode("utf-16")
    made = (await upload(ingest, body, kind="prices", name="prices.ndjson", preview=True)).json()
    other = await ingest.post(f"/v1/imports/{made['import_id']}:preview", {"decimal": ","})
    assert other.json()["encoding"] == "utf-16"
    assert [row["item"]["price_minor"] for row in other.json()["rows"]] == [1250]


async def test_a_file_counts_in_its_sources_figures_like_any_other_input(ingest: Running) -> None:
    lines = b"sku,price,valid_from_at\nP1,5.00,2026-03-01T06:00:00+08:00\nP2,oops,\n"
    await imported(ingest, lines, kind="prices", name="p.csv", source="erp", as_of="2026-03-01T06:00:00+08:00")
    again = lines.replace(b"oops", b"six")
    await imported(ingest, again, kind="prices", name="p.csv", source="erp", as_of="2026-03-01T06:00:00+08:00")
    totals = (await ingest.get("/v1/sources/erp/figures")).json()["totals"]
    counted = {name: totals[name] for name in ("accepted", "repeated", "conflicts", "refused", "late")}
    assert counted == {"accepted": 1, "repeated": 1, "conflicts": 0, "refused": 2, "late": 1}


async def test_a_file_speaks_of_products_as_the_catalogue_knows_them(ingest: Running) -> None:
    products = b"product_id,name,gtins\nP100,Cheddar,\n"
    item = {"product_id": "P100", "name": "Cheddar", "gtins": ["06901234567892"], "message_id": "c1"}
    await ingest.results("/v1/catalogue/products", item)
    await imported(ingest, products.replace(b"P100", b"4006381333931"), kind="products", name="products.csv")
    lines = (
        b"customer_id,basket_id,timestamp,product_id,amount\n"
        b"6001234567,B1,2026-03-01T09:30:00+08:00,6 901234 567892,5.00\n"
        b"6001234567,B1,2026-03-01T09:30:00+08:00,690123456789,5.00\n"
        b"6001234567,B1,2026-03-01T09:30:00+08:00,400638133393,5.00\n"
    )
    await imported(ingest, lines, kind="receipt_lines", name="lines.csv")
    (sale,) = [one.data for one in await ingest.envelopes() if isinstance(one.data, ReceiptRecordedV1)]
    assert [line.product_id for line in sale.lines] == ["P100", "P100", "4006381333931"]
    rules = {one["rule"]: one["times"] for one in (await ingest.get("/v1/quality")).json()["rules"]}
    assert (rules["product_code_digits"], rules["product_code_known"]) == (1, 1)
    assert rules["product_code_check_digit"] == 2
