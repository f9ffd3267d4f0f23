"""docs/ingest.md names every code that an item can be refused with."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
REFUSED = re.compile(r'(?:Refused|Fault)\(\s*"([a-z_]+)"|code = "([a-z_]+)"|"(card_number|missing_field|key_reused)"')


def codes_in_code() -> set[str]:
    files = (ROOT / "services/ingest").rglob("*.py")
    found = (match for file in files for match in REFUSED.finditer(file.read_text(encoding="utf-8")))
    return {next(filter(None, match.groups())) for match in found}


def test_every_code_has_its_cure() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs/ingest.md").read_text(encoding="utf-8")))
    codes = codes_in_code()
    assert len(codes) > 15
    assert codes - documented == set()
