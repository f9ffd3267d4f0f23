"""Every rule of the delivery core has a test that carries its number, in its own name or in its file's."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
RULES = (1, 2, 3, *range(5, 15), 16, 17)
NAMED = re.compile(r"\bdef test_rule_(\d\d)_|^test_rule_(\d\d)_", re.MULTILINE)


def rules_with_a_test() -> set[int]:
    found: set[int] = set()
    for file in TESTS.rglob("test_*.py"):
        text = f"{file.name}\n{file.read_text(encoding='utf-8')}"
        found |= {int(one or other) for one, other in NAMED.findall(text)}
    return found


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_the_delivery_core_has_a_test_named_after_it(rule: int) -> None:
    assert rule in rules_with_a_test()
