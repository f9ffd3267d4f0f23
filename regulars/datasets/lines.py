"""Owns reading receipt-line files (CSV, Parquet, NDJSON) into checked receipt lines, refusing bad ones by line."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import polars as pl

from regulars.datasets.completejourney import local_day

REQUIRED = ("customer_id", "basket_id", "timestamp", "product_id")
OPTIONAL = ("quantity", "amount", "discount", "store_id", "currency")
_MINOR_DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "BHD": 3, "KWD": 3, "OMR": 3, "TND": 3}
_DECIMAL = r"^\d{1,12}(\.\d+)?$"
_OFFSET = r"\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?([+-]\d{2}:?\d{2})$"
_TIME_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")


class LineFileError(ValueError):
    """The file as a whole cannot be read: unknown kind, missing column, broken encoding."""


@dataclass(frozen=True)
class RefusedLine:
    line_number: int
    field: str
    reason: str


@dataclass(frozen=True)
class LineFile:
    """What could be read of a file.

    `lines`: customer_id, basket_id, product_id, store_id, currency, at (UTC), day (local days since the
    file's first local day), line_number (in the file), quantity (f64), amount_minor, discount_minor;
    ordered by at, basket_id, line_number.
    """

    lines: pl.DataFrame
    refused: tuple[RefusedLine, ...]


def read_lines(path: Path, *, time_zone: str = "UTC", currency: str = "USD") -> LineFile:
    """Read a file of receipt lines; times without an offset are local to `time_zone`.

    Raises LineFileError when the file cannot be read at all; single bad lines are listed in `refused`.
    """
    raw, broken = _raw(path)
    missing = [name for name in REQUIRED if name not in raw.columns]
    if missing:
        raise LineFileError(f"{path.name}: missing column(s) {', '.join(missing)}; found: {', '.join(raw.columns)}")
    parsed = _parsed(_with_defaults(raw, currency), time_zone)
    bad = parsed.filter(pl.col("refusal").is_not_null())
    refused = [RefusedLine(*row) for row in bad.select("line_number", "refused_field", "refusal").iter_rows()]
    lines = _ordered(parsed.filter(pl.col("refusal").is_null()), time_zone)
    return LineFile(lines, tuple(sorted(broken + refused, key=lambda line: line.line_number)))


def _raw(path: Path) -> tuple[pl.DataFrame, list[RefusedLine]]:
    """Every column as text, with line_number; lines that cannot be split into columns are refused."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return _as_text(pl.read_parquet(path)), []
        with path.open(encoding="utf-8-sig", newline="") as file:
            if suffix == ".csv":
                return _read_csv(file)
            if suffix in {".ndjson", ".jsonl"}:
                return _read_ndjson(file)
    except (UnicodeDecodeError, OSError, pl.exceptions.PolarsError) as error:
        raise LineFileError(f"{path.name}: {error}") from error
    raise LineFileError(f"{path.name}: unknown kind of file; use .csv, .parquet or .ndjson")


def _read_csv(file: TextIO) -> tuple[pl.DataFrame, list[RefusedLine]]:
    reader = csv.reader(file)
    header = [name.strip() for name in next(reader, [])]
    if len(set(header)) != len(header):
        raise LineFileError(f"a column name appears twice: {', '.join(header)}")
    rows: list[list[str | int]] = []
    refused: list[RefusedLine] = []
    for row in reader:
        if len(row) == len(header):
            rows.append([*row, reader.line_num])
        elif row:
            reason = f"has {len(row)} columns, the header has {len(header)}"
            refused.append(RefusedLine(reader.line_num, "", reason))
    schema = {**dict.fromkeys(header, pl.String), "line_number": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row"), refused


def _read_ndjson(file: TextIO) -> tuple[pl.DataFrame, list[RefusedLine]]:
    rows: list[dict[str, object]] = []
    refused: list[RefusedLine] = []
    for number, text in enumerate(file, start=1):
        if not text.strip():
            continue
        try:
            rows.append(_flat_object(text, number))
        except ValueError as error:
            refused.append(RefusedLine(number, "", str(error)))
    schema = {**dict.fromkeys(_keys(rows), pl.String), "line_number": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row"), refused


def _flat_object(text: str, number: int) -> dict[str, object]:
    # Numbers stay text, so that 0.1 is not a binary fraction before it becomes cents.
    value = json.loads(text, parse_float=str, parse_int=str)
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - it is the file that is wrong, not a type
    known = {key: value[key] for key in (*REQUIRED, *OPTIONAL) if value.get(key) is not None}
    return {key: str(item) for key, item in known.items()} | {"line_number": number}


def _keys(rows: list[dict[str, object]]) -> Iterator[str]:
    present = {key for row in rows for key in row}
    return (name for name in (*REQUIRED, *OPTIONAL) if name in present)


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    columns = [_column_as_text(name, frame.schema[name]) for name in frame.columns if name in {*REQUIRED, *OPTIONAL}]
    return frame.select(columns).with_row_index("line_number", offset=1)


def _column_as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype.is_float():
        return column.cast(pl.Decimal(38, 6)).cast(pl.String)
    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone is None:
            return column.dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
        return column.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%d %H:%M:%S%.6f+00:00")
    return column.cast(pl.String)


def _with_defaults(raw: pl.DataFrame, currency: str) -> pl.DataFrame:
    defaults = {"quantity": "1", "amount": "0", "discount": "0", "store_id": "", "currency": currency}
    columns = [
        _stripped(name).replace("", None).fill_null(default) if name in raw.columns else pl.lit(default).alias(name)
        for name, default in defaults.items()
    ]
    return raw.with_columns([_stripped(name) for name in REQUIRED] + columns)


def _stripped(name: str) -> pl.Expr:
    return pl.col(name).str.strip_chars()


def _parsed(text: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    typed = text.with_columns(
        _utc(time_zone).alias("at"),
        pl.col("currency").str.to_uppercase(),
        pl.col("quantity").cast(pl.Float64, strict=False).alias("quantity_number"),
        _minor("amount"),
        _minor("discount"),
        pl.col("customer_id").first().over("basket_id").alias("basket_owner"),
    )
    rules = list(_rules())
    field = pl.coalesce(*(pl.when(broken).then(pl.lit(name)) for name, broken, _ in rules))
    reason = pl.coalesce(*(pl.when(broken).then(message) for _, broken, message in rules))
    return typed.with_columns(field.alias("refused_field"), reason.alias("refusal"))


def _rules() -> Iterator[tuple[str, pl.Expr, pl.Expr]]:
    """(field, when the line is refused, why), in the order in which they are told."""
    for name in REQUIRED:
        yield name, pl.col(name).is_null() | (pl.col(name) == ""), pl.lit(f"{name} is missing")
    yield "timestamp", pl.col("at").is_null(), pl.format("'{}' is not a date and time (ISO 8601)", "timestamp")
    yield "quantity", pl.col("quantity_number").is_null(), pl.format("'{}' is not a number", "quantity")
    for name in ("amount", "discount"):
        negative = pl.col(name).str.starts_with("-")
        yield name, negative, pl.format("'{}' is negative; returns do not belong in this file", name)
        yield name, pl.col(f"{name}_minor").is_null(), pl.format("'{}' is not an amount like 12.34", name)
    yield "quantity", pl.col("quantity_number") < 0, pl.format("'{}' is negative", "quantity")
    bad_currency = ~pl.col("currency").str.contains("^[A-Z]{3}$")
    yield "currency", bad_currency, pl.format("'{}' is not a currency code like USD", "currency")
    stolen = pl.col("customer_id") != pl.col("basket_owner")
    yield "basket_id", stolen, pl.format("basket '{}' already belongs to customer '{}'", "basket_id", "basket_owner")


def _utc(time_zone: str) -> pl.Expr:
    text = pl.col("timestamp").str.replace("T", " ", literal=True).str.replace("[Zz]$", "+00:00")
    offset = text.str.extract(_OFFSET, 1)
    base = text.str.replace(r"(\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)[+-]\d{2}:?\d{2}$", "$1")
    naive = pl.coalesce(*(base.str.to_datetime(form, time_unit="us", strict=False) for form in _TIME_FORMATS))
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    minutes = sign * (offset.str.slice(1, 2).cast(pl.Int64) * 60 + offset.str.slice(-2, 2).cast(pl.Int64))
    absolute = (naive - pl.duration(minutes=minutes)).dt.replace_time_zone("UTC")
    # An hour that the clocks skip is refused; of an hour that they repeat the first is taken.
    local = naive.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
    return pl.when(offset.is_null()).then(local.dt.convert_time_zone("UTC")).otherwise(absolute)


def _minor(name: str) -> pl.Expr:
    """Decimal text in major units as integer minor units, rounded half up without binary fractions."""
    text = pl.when(pl.col(name).str.contains(_DECIMAL)).then(pl.col(name))
    digits = pl.col("currency").str.to_uppercase().replace_strict(_MINOR_DIGITS, default=2, return_dtype=pl.Int64)
    whole = text.str.extract(r"^(\d+)", 1).cast(pl.Int64)
    fraction = text.str.extract(r"\.(\d+)$", 1).fill_null("") + pl.lit("0000")
    first = fraction.str.slice(0, digits + 1).cast(pl.Int64)
    scale = pl.lit(10, dtype=pl.Int64).pow(digits)
    return (whole * scale + (first + 5) // 10).alias(f"{name}_minor")


def _ordered(parsed: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    day = local_day(pl.col("at"), time_zone)
    return (
        parsed.with_columns((day - day.min()).alias("day"))
        .sort("at", "basket_id", "line_number")
        .select(
            "customer_id",
            "basket_id",
            "product_id",
            "store_id",
            "currency",
            "at",
            "day",
            pl.col("line_number").cast(pl.Int64),
            pl.col("quantity_number").alias("quantity"),
            "amount_minor",
            "discount_minor",
        )
    )
