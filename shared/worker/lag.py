"""How far the lines of one partition are behind their producers, as metrics."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.worker import metrics
from shared.worker.domain import Head, Line, Position


@dataclass(slots=True)
class Lag:
    """The lag of one partition that this worker holds."""

    service: str
    partition: int
    _level_at: dict[Line, float] = field(default_factory=dict)

    def show(self, heads: Mapping[Line, Head], positions: Mapping[Line, Position], code_version: str) -> None:
        """Set the metrics from how far the producers say their lines go, and how far they were applied here."""
        partition, now = str(self.partition), time.monotonic()
        for line, head in heads.items():
            applied = positions[line].last_seq if line in positions else 0
            lag = max(head.numbered - applied, 0)
            self._level_at[line] = self._level_at.get(line, now) if lag else now
            metrics.LAG_RECORDS.labels(self.service, line[1], partition).set(lag)
            metrics.LAG_SECONDS.labels(self.service, line[1], partition).set(now - self._level_at[line])
        braked = sum(position.braked_version == code_version for position in positions.values())
        forked = sum(position.forked_reason is not None for position in positions.values())
        metrics.STANDING.labels(self.service, partition, "brake").set(braked)
        metrics.STANDING.labels(self.service, partition, "fork").set(forked)

    def leave(self) -> None:
        """Say nothing more of a partition that is another worker's to measure now."""
        partition = str(self.partition)
        for _, topic in self._level_at:
            metrics.LAG_RECORDS.labels(self.service, topic, partition).set(0)
            metrics.LAG_SECONDS.labels(self.service, topic, partition).set(0)
        for why in ("brake", "fork"):
            metrics.STANDING.labels(self.service, partition, why).set(0)
