"""LightGBM comes without data frames and estimators; others may still import them."""

import subprocess
import sys

import pytest

from shared.lean_lightgbm import hidden


def test_hidden_packages_can_be_imported_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with hidden(("colorsys", "json")):
        with pytest.raises(ImportError):
            __import__("colorsys")
        assert __import__("json") is sys.modules["json"]
    assert __import__("colorsys")


def test_lightgbm_is_loaded_without_what_serving_never_uses() -> None:
    script = "import sys; from shared import lean_lightgbm; lean_lightgbm.load(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "lightgbm" in loaded
    assert not {"pandas", "sklearn", "pyarrow"}.intersection(loaded)
