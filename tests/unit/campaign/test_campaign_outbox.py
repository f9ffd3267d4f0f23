"""Lines of erased people go from the outbox's files; everything else stays byte for byte."""

from pathlib import Path
from uuid import uuid4

from services.campaign.outbox import forget_lines


def test_only_the_lines_of_the_erased_go(tmp_path: Path) -> None:
    gone, left = uuid4(), uuid4()
    file, other = tmp_path / "c-1.ndjson", tmp_path / "c-2.ndjson"
    file.write_text(f'{{"customer_id": "{gone}"}}\n{{"customer_id": "{left}"}}\n')
    other.write_text(f'{{"customer_id": "{left}"}}\n')
    before = other.stat().st_ino
    assert forget_lines(tmp_path, [gone]) == 1
    assert file.read_text() == f'{{"customer_id": "{left}"}}\n'
    assert other.stat().st_ino == before
    assert forget_lines(tmp_path, [gone]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c-1.ndjson", "c-2.ndjson"]


def test_nobody_erased_and_no_folder_change_nothing(tmp_path: Path) -> None:
    assert forget_lines(tmp_path / "none", [uuid4()]) == 0
    assert forget_lines(tmp_path, []) == 0
