"""Counting a chain's totals again from the archive, by code that shares nothing with the services.

It knows the wire form of receipts and the definition of the totals, and neither the services' functions nor
their tables, so that a mistake of theirs is not repeated here.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

Key = tuple[str, str]
"""A subject and a currency."""


@dataclass(slots=True)
class Recounted:
    """Figures of one subject in one currency; amounts in minor units."""

    receipts: int = 0
    returns: int = 0
    gross_minor: int = 0
    net_minor: int = 0

    def as_tuple(self) -> tuple[int, int, int, int]:
        return self.receipts, self.returns, self.gross_minor, self.net_minor


@dataclass(slots=True)
class Recount:
    """Feed it every archived receipt and void, in any order; then ask for the totals."""

    _receipts: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)
    _voids: dict[str, dict[str, tuple[str, dict[str, Any]]]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, body: bytes) -> None:
        event = orjson.loads(body)
        data = event["data"]
        if event["type"] == "ReceiptRecorded":
            self._receipts[data["receipt_id"]] = (event["subject_id"], data)
        elif event["type"] == "ReceiptVoided" and not data["training"]:
            self._voids[data["voids_receipt_id"]][data["receipt_id"]] = (event["subject_id"], data)

    @property
    def receipts(self) -> int:
        return len(self._receipts)

    def totals(self) -> dict[Key, Recounted]:
        """Return the figures of every subject that has any."""
        totals: dict[Key, Recounted] = defaultdict(Recounted)
        for receipt_id, (subject_id, data) in self._receipts.items():
            if not data["training"] and receipt_id not in self._voids:
                _count(totals[subject_id, data["currency"]], data)
        for receipt_id in self._voids.keys() - self._receipts.keys():
            for subject_id, data in self._voids[receipt_id].values():
                totals[subject_id, data["currency"]].net_minor -= data["amount_minor"]
        return {key: figures for key, figures in totals.items() if figures != Recounted()}


def _count(figures: Recounted, data: dict[str, Any]) -> None:
    sold = _sum_of(line for line in data["lines"] if not _is_given_back(line, data))
    given_back = _sum_of(line for line in data["lines"] if _is_given_back(line, data))
    figures.receipts += data["kind"] in {"sale", "exchange"}
    figures.returns += data["kind"] in {"return", "exchange"}
    figures.gross_minor += sold
    figures.net_minor += sold - given_back


def _is_given_back(line: dict[str, Any], data: dict[str, Any]) -> bool:
    return data["kind"] == "return" or bool(line["returned"])


def _sum_of(lines: Iterable[dict[str, Any]]) -> int:
    return sum(line["amount_minor"] for line in lines)
