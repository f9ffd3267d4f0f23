"""How long work is shown: a bar on a terminal, one line every ten seconds elsewhere."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_SECONDS = 10.0


class Bar:
    """Progress of `total` items. Used as a context manager; `advance` takes how many more are done."""

    def __init__(self, name: str, total: int) -> None:
        self._name = name
        self._total = total
        self._done = 0
        self._began = self._said = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._bar.add_task(self._name, total=self._total)
        return self

    def advance(self, count: int) -> None:
        """Count what is done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done)
        elif time.monotonic() - self._said > LINE_SECONDS:
            self._say()

    def reach(self, done: int, total: int | None) -> None:
        """Say how far it is in all; the total may become known on the way."""
        if total is not None and total != self._total:
            self._total = total
            if self._bar is not None:
                self._bar.update(self._bar.task_ids[0], total=total)
        self.advance(done - self._done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if error is None:
            self._say()

    def _say(self) -> None:
        self._said = time.monotonic()
        seconds = max(self._said - self._began, 1e-3)
        line = f"  {self._name}: {self._done:,} of {self._total:,} ({self._done / seconds:,.0f}/s)"
        print(line, file=sys.stderr, flush=True)
