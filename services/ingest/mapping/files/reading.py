"""One file as a stream of items, in an order that is a function of the file; and a look at its head."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

import orjson

from services.ingest.domain.cells import CellRules
from services.ingest.domain.texts import encoding_of
from services.ingest.mapping.files import poslog
from services.ingest.mapping.files.baskets import baskets
from services.ingest.mapping.files.columns import KINDS, Kind, Plan, plan_for
from services.ingest.mapping.files.items import Entry, RowReader, written_row
from services.ingest.mapping.files.rows import (
    HEAD_ROWS,
    Row,
    Table,
    UnreadableFile,
    open_csv,
    open_ndjson,
    open_parquet,
)
from services.ingest.schemas.imports import Format, ReadingIn

_FORMAT_OF: Mapping[str, Format] = {
    ".csv": "csv",
    ".txt": "csv",
    ".tsv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".xml": "poslog",
}


def settled(reading: ReadingIn, kind: Kind, name: str, head: bytes, *, is_utf8: bool) -> ReadingIn:
    """Return how a file is read with nothing left to detect. Raises UnreadableFile."""
    suffix = "." + name.rpartition(".")[2].lower()
    chosen = reading.format or _FORMAT_OF.get(suffix)
    if chosen is None:
        known = ", ".join(sorted(set(_FORMAT_OF.values())))
        raise UnreadableFile(f"has a name that tells no format; say format= one of {known}", "unknown_format")
    if kind.name == "receipts" and chosen in {"csv", "parquet"}:
        raise UnreadableFile("holds whole receipts, which a table cannot; send NDJSON, or kind receipt_lines")
    if chosen == "poslog" and kind.name != "receipts":
        raise UnreadableFile("is a POSLog, which holds receipts; say kind=receipts")
    if (
        chosen not in {"parquet", "poslog"}
        and b"\x00" in head[:4096]
        and (reading.encoding or "utf-8").startswith("utf-8")
    ):
        probe = encoding_of(head, is_utf8=is_utf8)
        if not probe.startswith(("utf-16", "utf-32")):
            raise UnreadableFile("holds NUL bytes: it is no text; a spreadsheet is exported as CSV first", "not_text")
    encoding = None if chosen in {"parquet", "poslog"} else reading.encoding or encoding_of(head, is_utf8=is_utf8)
    return reading.model_copy(update={"format": chosen, "encoding": encoding})


@dataclass(slots=True)
class FileReader:
    """Reads one file, as often as it is asked. `open_file` opens it anew each time; all methods block."""

    open_file: Callable[[], BinaryIO]
    kind: Kind
    reading: ReadingIn
    rules: CellRules
    _plan: Plan | None = field(default=None)

    @classmethod
    def of(
        cls, open_file: Callable[[], BinaryIO], kind: str, reading: ReadingIn, currency: str, time_zone: str
    ) -> "FileReader":
        rules = CellRules(
            currency=reading.currency or currency,
            zone=reading.zone(time_zone),
            decimal=reading.decimal,
            dates=reading.date_format,
        )
        return cls(open_file, KINDS[kind], reading, rules)

    def table(self) -> Table:
        """Open the file. Raises UnreadableFile, also while its rows are read."""
        file = self.open_file()
        encoding = self.reading.encoding or "utf-8"
        if self.reading.format == "parquet":
            return open_parquet(file)
        if self.reading.format == "ndjson":
            return open_ndjson(file, encoding)
        return open_csv(file, encoding, self.reading.delimiter)

    def delimiter(self) -> str | None:
        """Return what stands between a CSV's columns; None for other formats."""
        return self.table().delimiter if self.reading.format == "csv" else None

    def plan(self) -> Plan:
        """Say what each column is. Raises UnreadableFile."""
        if self._plan is None:
            self._plan = self._planned()
        return self._plan

    def _planned(self) -> Plan:
        if self.reading.format == "poslog":
            next(poslog.transactions(self.open_file()), None)
            return Plan((), ())
        table = self.table()
        if self.kind.name == "receipts":
            return Plan((), ())
        return plan_for(self.kind, table.columns, self.reading.mapping)

    def count_rows(self) -> int:
        """Return how many rows with data the file has. Raises UnreadableFile."""
        if self.reading.format == "poslog":
            return poslog.count_transactions(self.open_file())
        return sum(1 for _ in self.table().rows)

    def entries(self, rows_total: int) -> Iterator[Entry]:
        """Yield the file's items, always in the same order. Raises UnreadableFile."""
        if self.reading.format == "poslog":
            yield from poslog.entries(self.open_file(), self.rules)
        elif self.kind.name == "receipt_lines":
            yield from baskets(lambda: self.table().rows, rows_total, self._row_reader(), self.reading.until)
        else:
            yield from self._entries_of(self.table().rows)

    def head_entries(self, rows: int = HEAD_ROWS) -> Iterator[Entry]:
        """Yield the items that the first rows make. Raises UnreadableFile."""
        if self.reading.format == "poslog":
            yield from islice(poslog.entries(self.open_file(), self.rules), rows)
            return
        head = list(islice(self.table().rows, rows))
        if self.kind.name == "receipt_lines":
            yield from baskets(lambda: iter(head), len(head), self._row_reader(), self.reading.until)
        else:
            yield from self._entries_of(iter(head))

    def _entries_of(self, rows: Iterator[Row]) -> Iterator[Entry]:
        if self.kind.name == "receipts":
            yield from (_whole(row) for row in rows)
        else:
            reader = self._row_reader()
            yield from (reader.entry(row) for row in rows)

    def _row_reader(self) -> RowReader:
        return RowReader(self.kind, self.rules, self.plan(), self.reading.mapping, self.reading.provider)


def _whole(row: Row) -> Entry:
    """Return a row that is an item already."""
    if row.fault is not None:
        return Entry((row.line,), written_row(row), fault=row.fault)
    return Entry((row.line,), orjson.dumps(row.cells), item=dict(row.cells))
