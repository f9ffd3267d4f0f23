"""A command that is told to end puts its things away first."""

import os
import signal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from regulars.signals import put_away_when_ended


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_is_inside_is_put_away_and_the_code_names_the_signal(number: signal.Signals) -> None:
    folders: list[Path] = []
    with pytest.raises(SystemExit) as ended:
        _be_ended_within(folders, number)
    assert ended.value.code == 128 + number
    assert not folders[0].exists()


def _be_ended_within(folders: list[Path], number: signal.Signals) -> None:
    with put_away_when_ended(), TemporaryDirectory() as name:
        folders.append(Path(name))
        os.kill(os.getpid(), number)


def test_the_handlers_of_before_are_back_after_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with put_away_when_ended():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
