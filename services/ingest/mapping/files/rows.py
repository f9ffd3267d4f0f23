"""Rows of a file, one after the other: CSV, NDJSON and Parquet; never more of it in memory than a piece."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, BinaryIO

import arro3.io
import orjson
from arro3.core import RecordBatch

from services.ingest.domain.faults import Fault
from services.ingest.domain.texts import REPLACEMENT, delimiter_of
from services.ingest.mapping.files.columns import COLUMNS_MAX

LINE_CHARS_MAX = 1_000_000
HEAD_ROWS = 1000


class UnreadableFile(ValueError):
    """The file as a whole cannot be read: why, and the cure. `code` is stable."""

    def __init__(self, message: str, code: str = "unreadable_file") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it ends on (the row's number in a Parquet file), and its cells by column."""

    line: int
    cells: Mapping[str, Any] = field(repr=False)
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """An opened file: its columns as far as its head shows them, and all its rows."""

    columns: Sequence[str]
    rows: Iterator[Row]
    delimiter: str | None = None


def open_csv(file: BinaryIO, encoding: str, delimiter: str | None) -> Table:
    """Open a CSV file with a header. Raises UnreadableFile, also while its rows are read."""
    lines = _lines(file, encoding)
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise UnreadableFile("is empty; the first line names the columns", "empty_file")
    sign = delimiter or delimiter_of(first)
    reader = csv.reader(chain([first], lines), delimiter=sign)
    header = [column.strip() for column in _next(reader)]
    named = [column for column in header if column]
    if len(set(named)) != len(named):
        raise UnreadableFile("names a column twice; the first line names each column once", "duplicate_column")
    if len(header) > COLUMNS_MAX:
        raise UnreadableFile(f"has more than {COLUMNS_MAX} columns; leave out what is not needed")
    return Table(named, _csv_rows(reader, header), sign)


def _csv_rows(reader: Any, header: Sequence[str]) -> Iterator[Row]:  # noqa: ANN401 (the csv module's own type)
    while True:
        cells = _next(reader)
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            message = f"has {len(cells)} columns, the header has {len(header)}; look for a stray delimiter or quote"
            yield Row(reader.line_num, dict(zip(header, cells, strict=False)), Fault("column_count", message))
            continue
        row = {column: cell for column, cell in zip(header, cells, strict=True) if column}
        yield Row(reader.line_num, row, _unreadable_text(cells))


def _next(reader: Any) -> Any:  # noqa: ANN401 (the csv module's own type)
    try:
        return next(reader, None)
    except csv.Error as error:
        raise UnreadableFile(
            f"cannot be split into columns near line {reader.line_num}: {error}; look for an unclosed quote"
        ) from error


def _unreadable_text(cells: Sequence[str]) -> Fault | None:
    for cell in cells:
        if REPLACEMENT in cell:
            return Fault("encoding", "holds bytes that are not of the file's encoding; name it: encoding=gb18030")
    return None


def _lines(file: BinaryIO, encoding: str) -> Iterator[str]:
    """Yield lines of bounded length; characters that the encoding lacks become U+FFFD, and their row is refused."""
    text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")
    number = 0
    while line := text.readline(LINE_CHARS_MAX):
        number += 1
        if len(line) == LINE_CHARS_MAX and not line.endswith(("\n", "\r")):
            raise UnreadableFile(f"line {number} is longer than {LINE_CHARS_MAX:,} characters; is this a text file?")
        yield line


def open_ndjson(file: BinaryIO, encoding: str) -> Table:
    """Open a file of one JSON object a line; its columns are the names that its head uses. Raises UnreadableFile."""
    rows = _json_rows(_lines(file, encoding))
    head = list(islice(rows, HEAD_ROWS))
    columns = list(dict.fromkeys(name for row in head for name in row.cells))[:COLUMNS_MAX]
    return Table(columns, chain(head, rows))


def _json_rows(lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield Row(number, {}, Fault("malformed_json", f"is not JSON (character {error.pos}); one object a line"))
            continue
        if not isinstance(document, dict):
            yield Row(number, {}, Fault("invalid_item", "is not a JSON object; one object a line"))
            continue
        yield Row(number, document, _unreadable_text([line]))


def open_parquet(file: BinaryIO) -> Table:
    """Open a Parquet file; it is read row group by row group. Raises UnreadableFile, also while it is read."""
    try:
        reader = arro3.io.read_parquet(file)
    except BaseException as error:
        raise _unreadable_parquet(error, "is no readable Parquet file") from error
    columns = list(reader.schema.names)
    if len(columns) > COLUMNS_MAX:
        raise UnreadableFile(f"has more than {COLUMNS_MAX} columns; leave out what is not needed")
    return Table(columns, _parquet_rows(reader, columns))


def _parquet_rows(reader: Any, columns: Sequence[str]) -> Iterator[Row]:  # noqa: ANN401 (any reader of batches)
    number = 0
    while True:
        try:
            batch: Any = RecordBatch.from_arrow(reader.read_next_batch())
            values = [[scalar.as_py() for scalar in batch.column(place)] for place in range(len(columns))]
        except StopIteration:
            return
        except BaseException as error:
            raise _unreadable_parquet(error, f"is damaged after row {number}") from error
        for cells in zip(*values, strict=True):
            number += 1
            yield Row(number, dict(zip(columns, cells, strict=True)))


def _unreadable_parquet(error: BaseException, reason: str) -> BaseException:
    """Return a broken file's failure as ours: the reader has a kind for each, and panics over some footers."""
    is_panic = type(error).__name__ == "PanicException"
    if not is_panic and not isinstance(error, Exception):
        return error
    return UnreadableFile(f"{reason}; export it again ({type(error).__name__})")
