"""Every benchmark by name: each on a deployment of its own, each bounded, each ending in one report."""

import os
import time
from collections.abc import Callable

from regulars.bench import (
    campaign,
    churn,
    demo,
    events,
    ingest,
    lookup,
    numbered,
    profile,
    recommend,
    replicated,
    start,
)
from regulars.bench.alone import ingest_alone
from regulars.bench.figures import Bare, Figure, Report, Sense, Target
from regulars.bench.names import Bench
from regulars.bench.temporary import Say, Temporary, temporary_deployment
from shared.worker.domain import BATCH_RECORDS

PROFILE_RECEIPTS = 20_000
PROFILE_BEHAVIOUR = 50_000

Measured = tuple[str, list[Figure]]
"""The sizes in words, and the figures."""


def run(bench: Bench, say: Say) -> Report:
    """Run one benchmark; nothing is left of it. Raises RegularsError."""
    load_before, _, _ = os.getloadavg()
    began = time.monotonic()
    setting, figures = _MEASURES[bench](say)
    return Report(bench.value, setting, figures, time.monotonic() - began, load_before)


def _up(say: Say) -> Measured:
    return start.SETTING, _deployed(say, start.figures)


def _ingest(say: Say) -> Measured:
    sizes, sizes_alone = ingest.Sizes(), events.Sizes()
    figures = _deployed(say, lambda deployment: ingest.measure(deployment, say, sizes))
    with ingest_alone(say) as alone:
        figures += events.measure(alone, say, sizes_alone)
    return f"{sizes.in_words()}; then {sizes_alone.in_words()}", figures


def _profile(say: Say) -> Measured:
    wanted = (
        (numbered.RECEIPTS, PROFILE_RECEIPTS, Target(Sense.AT_LEAST, 2_000)),
        (numbered.BEHAVIOUR, PROFILE_BEHAVIOUR, Target(Sense.AT_LEAST, 10_000)),
    )
    figures = []
    for kind, count, target in wanted:
        say(f"applying {count:,} {kind.what} that are numbered already, on a PostgreSQL of its own")
        figures.append(_applied(profile.run(kind, count), target))
    setting = (
        f"{PROFILE_RECEIPTS:,} receipts of {numbered.LINES} lines, {PROFILE_BEHAVIOUR:,} behaviour events, numbered"
        f" already, in batches of {BATCH_RECORDS}; the worker's own path, without a broker"
    )
    return setting, figures


def _applied(found: profile.ProfileBench, target: Target) -> Figure:
    return Figure(
        f"{found.what} applied by one worker",
        found.applied_per_second,
        "events/s",
        target,
        Bare("COPY of the same bytes in the same batches", found.copied_per_second),
        note=f"slowest batch {found.slowest_batch_ms:.0f} ms",
    )


def _lookup(say: Say) -> Measured:
    sizes = lookup.Sizes()
    return sizes.in_words(), _deployed(say, lambda deployment: lookup.measure(deployment, say, sizes))


def _recommend(say: Say) -> Measured:
    sizes = recommend.Sizes()
    figures = _deployed(say, lambda deployment: recommend.measure(deployment, say, sizes))
    replicas = replicated.Sizes()
    return f"{sizes.in_words()}; then {replicas.in_words()}", [*figures, *replicated.figures(say, replicas)]


def _churn(say: Say) -> Measured:
    sizes = churn.Sizes()
    return sizes.in_words(), _deployed(say, lambda deployment: churn.measure(deployment, say, sizes))


def _campaign(say: Say) -> Measured:
    sizes = campaign.Sizes()
    return sizes.in_words(), _deployed(say, lambda deployment: campaign.measure(deployment, say, sizes))


def _demo(say: Say) -> Measured:
    return demo.SETTING, demo.figures(say)


def _deployed(say: Say, measure: Callable[[Temporary], list[Figure]]) -> list[Figure]:
    with temporary_deployment(say) as deployment:
        return measure(deployment)


_MEASURES: dict[Bench, Callable[[Say], Measured]] = {
    Bench.UP: _up,
    Bench.INGEST: _ingest,
    Bench.PROFILE: _profile,
    Bench.LOOKUP: _lookup,
    Bench.RECOMMEND: _recommend,
    Bench.CHURN: _churn,
    Bench.CAMPAIGN: _campaign,
    Bench.DEMO: _demo,
}
