"""`regulars verify` on real databases: an honest chain holds, and one forged row is found where it is."""

import json
from typing import Any

import pytest

from regulars.__main__ import main
from regulars.folder import DataFolder
from tests.integration.profile.histories import ANNA, BORIS, named
from tests.integration.verification.conftest import Books

pytestmark = pytest.mark.postgres

TOTALS = "all totals are what the archive adds up to"
RECEIPTS = "every customer's receipts are those of the archive"
POPULARITY = "what sold in which store on which day is what the archive adds up to"
POINTS = "all points earned and taken back are what the archived receipts are worth"
DENSITY = "numbers without a gap, each naming the one before"
AGE = "nothing waits for more than a minute to be published"
HEAD = "every consumer applied everything"
DEAD = "no event lies among the dead letters"
LOTS = "the open lots of every account equal its active points"
BALANCES = "every points balance equals its ledger lines"
CAPS = "every campaign gave what its redemptions say, and no more than its caps"

LINE = "topic = 'retail.receipts.v1'"
ANNAS = f"subject_id = '{ANNA}'"
BOUGHT = f"receipt_id = '{named('anna buys')}'"
OLD = "clock_timestamp() - interval '1 hour'"
EARLIER = f"UPDATE events SET stored_at = {OLD}"
UNSAID = (
    "INSERT INTO events (event_id, topic, key, type, version, body, stored_at)"
    f" VALUES ('{named('unsaid')}', 'retail.feedback.v1', 'k', 'SurveyAnswered', 1, '', {OLD})"
)
QUEUED = f"INSERT INTO unnumbered (event_id, topic, key) VALUES ('{named('unsaid')}', 'retail.feedback.v1', 'k')"
DEAD_LETTER = (
    "INSERT INTO dead_letters (origin, topic, partition, seq, event_id, type, reason, body, code_version)"
    f" VALUES ('ingest', 'retail.receipts.v1', 0, 1, '{named('dead')}', 'ReceiptRecorded', 'KeyError: S1', '', '1')"
)
# Seven points more for Anna, told by the ledger, the balance and the lot alike.
GIFT = (
    (
        "INSERT INTO ledger_lines (posting_id, source, source_id, line, kind, account, subject_id, points, posted_at)"
        f" SELECT '{named('gift')}', 'receipt', 'gift', line, 'earned', account, '{ANNA}', points, now()"
        " FROM (VALUES (1, 'member.active', 7), (2, 'programme.issued', -7)) AS lines (line, account, points)"
    ),
    f"UPDATE points_accounts SET active = active + 7 WHERE {ANNAS}",
    f"UPDATE points_lots SET remaining = remaining + 7 WHERE lot_id = '{named('anna buys')}'",
)
OVERDRAWN = (
    (
        "INSERT INTO campaigns (campaign_id, plan, state, seed, created_at, created_by)"
        f" VALUES ('{named('campaign')}', '{{}}', 'draft', '', now(), 'tests')"
    ),
    f"INSERT INTO campaign_caps (campaign_id, uses) VALUES ('{named('campaign')}', 3)",
)

# Of the service forged: the statements, and each broken invariant with what its differences say.
FORGERIES: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "a subject's gross": (
        "profile",
        (f"UPDATE subject_totals SET gross_minor = gross_minor + 1 WHERE {ANNAS} AND currency = 'USD'",),
        {TOTALS: f"{ANNA} USD: archive 2, 1, 6000, 5450, profile 2, 1, 6001, 5451 (receipts, returns, gross, net)"},
    ),
    "a subject that nobody heard of": (
        "profile",
        (f"UPDATE subject_totals SET subject_id = '{named('nobody')}' WHERE subject_id = '{BORIS}'",),
        {TOTALS: f"{named('nobody')} USD: archive nothing, profile 1, 0, 2000, 1700"},
    ),
    "a receipt that churn lost": (
        "churn",
        (f"DELETE FROM receipts WHERE {BOUGHT}",),
        {RECEIPTS: f"{ANNA} USD: archive 3, 6000, 550, churn 2, 1000, 550 (receipts, sold, given back)"},
    ),
    "a void that churn lost": (
        "churn",
        (f"DELETE FROM voids WHERE voids_receipt_id = '{named('boris buys in error')}'",),
        {RECEIPTS: f"{BORIS} USD: archive 1, 2000, 0, churn 2, 9000, 0"},
    ),
    "a receipt that recommend gave to somebody else": (
        "recommend",
        (f"UPDATE receipts SET subject_id = '{BORIS}' WHERE {BOUGHT}",),
        {RECEIPTS: f"{ANNA}: archive 4, 4, recommend 3, 2 (receipts, products bought)"},
    ),
    "a product that recommend forgot": (
        "recommend",
        (f"UPDATE receipts SET moved = '[[\"P1\", 1000000]]' WHERE {BOUGHT}",),
        {RECEIPTS: f"{ANNA}: archive 4, 4, recommend 4, 3"},
    ),
    "a purchase too many": (
        "recommend",
        ("UPDATE popularity SET purchases = purchases + 1 WHERE product_id = 'P2'",),
        {POPULARITY: "2026-03-02 S1 P2: archive 1, recommend 2 (purchases)"},
    ),
    "points in a wallet": (
        "campaign",
        (f"UPDATE points_accounts SET active = active + 1 WHERE {ANNAS}",),
        {
            POINTS: f"{ANNA}: archive 60, 6, 54, campaign 60, 6, 55 (points earned, taken back, left",
            BALANCES: f"subject_id={ANNA}, active=55",
            LOTS: f"subject_id={ANNA}, active=55",
        },
    ),
    "points that no receipt earned, in books that agree with one another": (
        "campaign",
        GIFT,
        {POINTS: f"{ANNA}: archive 60, 6, 54, campaign 67, 6, 61"},
    ),
    "a lot": (
        "campaign",
        (f"UPDATE points_lots SET remaining = remaining + 1 WHERE lot_id = '{named('anna buys')}'",),
        {LOTS: f"subject_id={ANNA}, active=54, remaining=55"},
    ),
    "uses of a campaign without redemptions": (
        "campaign",
        OVERDRAWN,
        {CAPS: "uses=3, discount_minor=0, redemptions=0"},
    ),
    "a number missing": (
        "ingest",
        (f"DELETE FROM numbered WHERE seq = 3 AND {LINE}",),
        {DENSITY: "retail.receipts.v1/0: 9 events up to 10; retail.receipts.v1/0: 4 does not follow; event "},
    ),
    "a number that names another event before it": (
        "ingest",
        (f"UPDATE numbered SET prev_event_id = '{named('other')}' WHERE seq = 3 AND {LINE}",),
        {DENSITY: "retail.receipts.v1/0: 3 does not follow"},
    ),
    "an event without a number": (
        "ingest",
        (UNSAID,),
        {DENSITY: f"event {named('unsaid')} has no number and waits for none"},
    ),
    "an event that waits for its number": ("ingest", (UNSAID, QUEUED), {AGE: "1 events wait for their numbers"}),
    "an event that waits for the broker": (
        "ingest",
        (EARLIER, f"UPDATE watermarks SET published_seq = published_seq - 1 WHERE {LINE}"),
        {AGE: "retail.receipts.v1/0: 1 unpublished, the oldest for 1:00:"},
    ),
    "a consumer that is behind": (
        "churn",
        (f"UPDATE positions SET last_seq = last_seq - 1 WHERE {LINE}",),
        {HEAD: "retail.receipts.v1/0: at 9 of 10"},
    ),
    "a consumer at another event": (
        "churn",
        (f"UPDATE positions SET last_event_id = '{named('other')}' WHERE {LINE}",),
        {HEAD: "retail.receipts.v1/0: at 10 of 10, at another event"},
    ),
    "a consumer that never began": ("churn", (f"DELETE FROM positions WHERE {LINE}",), {HEAD: "at 0 of 10"}),
    "a dead letter": ("campaign", (DEAD_LETTER,), {DEAD: "ReceiptRecorded (retail.receipts.v1): KeyError: S1"}),
}


def run_verify(folder: DataFolder, *words: str) -> int:
    """Run the command; return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["verify", "--data-dir", str(folder.root), *words])
    return int(ended.value.code or 0)


def document(folder: DataFolder, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the one document of `verify --json`."""
    code = run_verify(folder, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, found


def test_an_honest_chain_holds(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(books.folder, capsys)
    assert [each for each in found["findings"] if not each["holds"]] == []
    assert (code, found["holds"]) == (0, True)


def test_every_figure_is_counted_from_the_archive(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(books.folder, capsys)
    counted = {(each["service"], each["invariant"]): each["counted"] for each in found["findings"]}
    assert counted["profile", TOTALS] == counted["churn", RECEIPTS] == counted["campaign", POINTS] == 8
    assert counted["recommend", POPULARITY] == 6
    assert counted["ingest", DENSITY] == 11


@pytest.mark.parametrize("forged", FORGERIES)
def test_a_forged_row_is_named_and_nothing_else_is(
    books: Books, capsys: pytest.CaptureFixture[str], forged: str
) -> None:
    service, statements, broken = FORGERIES[forged]
    books.forge(service, *statements)
    code, found = document(books.folder, capsys)
    named_differences = {
        each["invariant"]: "; ".join(each["differences"]) for each in found["findings"] if not each["holds"]
    }
    assert named_differences.keys() == broken.keys()
    for invariant, difference in broken.items():
        assert difference in named_differences[invariant]
    assert (code, found["holds"]) == (1, False)


def test_the_broken_invariant_is_named_with_its_service(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    books.forge("churn", f"DELETE FROM receipts WHERE {BOUGHT}")
    _, found = document(books.folder, capsys)
    assert [each["service"] for each in found["findings"] if not each["holds"]] == ["churn"]


def test_the_table_says_what_each_line_rests_on(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_verify(books.folder) == 0
    shown = " ".join(capsys.readouterr().out.split())
    titles = ("Recounted from ingest's archive", "Read from the tables of the logs", "Campaign's own proof")
    assert all(title in shown for title in titles)
    assert "✗" not in shown


def test_the_table_marks_what_does_not_hold(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    books.forge("recommend", *FORGERIES["a purchase too many"][1])
    assert run_verify(books.folder) == 1
    assert capsys.readouterr().out.count("✗") == 1


def test_another_rule_of_points_is_the_rule_of_new_receipts_only(
    books: Books, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAMPAIGN_MINOR_PER_POINT", "7")
    assert document(books.folder, capsys)[0] == 0
    # Without its lot nothing tells under which rule a sale came, and the dearest known one earns points for it.
    books.forge("campaign", f"DELETE FROM points_lots WHERE subject_id = '{BORIS}'")
    books.forge("campaign", f"DELETE FROM ledger_lines WHERE subject_id = '{BORIS}'")
    books.forge("campaign", f"UPDATE points_accounts SET active = 0 WHERE subject_id = '{BORIS}'")
    code, found = document(books.folder, capsys)
    broken = [each for each in found["findings"] if not each["holds"]]
    assert (code, [each["invariant"] for each in broken]) == (1, [POINTS])
    assert f"{BORIS}: archive 90, 70, 20, campaign nothing" in broken[0]["differences"][0]


def test_databases_that_are_away_are_said_in_one_line(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    away = books.folder.credentials_file.read_text().replace(f":{books.server.port}/", ":1/")
    books.folder.credentials_file.write_text(away)
    assert run_verify(books.folder) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"regulars: the databases of {books.folder.root} do not answer")
    assert said.err.count("\n") == 1


def test_a_folder_on_which_nothing_was_started_is_said_so(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_verify(DataFolder.of(tmp_path)) == 1
    assert "nothing was ever started" in capsys.readouterr().err
