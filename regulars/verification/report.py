"""What a recount found."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

DIFFERENCES_SHOWN = 10


class Basis(StrEnum):
    """What a finding rests on."""

    ARCHIVE = "recounted from ingest's archive, by arithmetic that shares nothing with the services"
    TABLES = "read from the tables of the logs and of the workers"
    OWN_PROOF = "campaign's own proof of its books, from campaign's own tables"


@dataclass(frozen=True, slots=True)
class Finding:
    """One invariant: what was counted, and where it does not hold."""

    basis: Basis
    invariant: str
    service: str
    counted: int | None
    differences: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.differences

    @property
    def sentence(self) -> str:
        if self.holds:
            return "holds" if self.counted is None else f"{self.counted:,} counted, no difference"
        shown = "; ".join(self.differences[:DIFFERENCES_SHOWN])
        more = len(self.differences) - DIFFERENCES_SHOWN
        return f"{len(self.differences):,} differences: {shown}" + (f"; and {more:,} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class Verification:
    """All findings of one run."""

    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        return all(finding.holds for finding in self.findings)

    def of(self, basis: Basis) -> list[Finding]:
        """Return the findings that rest on this."""
        return [finding for finding in self.findings if finding.basis is basis]

    def document(self) -> dict[str, Any]:
        """Return the findings as `verify --json` prints them."""
        return {"holds": self.holds, "findings": [{**asdict(each), "holds": each.holds} for each in self.findings]}
