"""The nightly training: started by the worker in a process of its own, with its progress and end written down."""

import asyncio
import sys
from collections.abc import Sequence
from uuid import UUID, uuid4

import structlog

from services.recommend import metrics
from services.recommend.domain.nightly import Nightly
from services.recommend.store import models
from shared.clock import Clock
from shared.db import Database

PROGRAM = (sys.executable, "-m", "services.recommend", "train", "--low-priority")
LINE_CHARS_MAX = 500
KEPT_BACK = 1
"""The exit code of a training that made no better version: too little data, or the gate refused."""

log = structlog.get_logger()


async def train_when_due(
    database: Database,
    clock: Clock,
    nightly: Nightly,
    limit_seconds: float,
    program: Sequence[str] = PROGRAM,
) -> None:
    """Run tonight's training to its end, if its time has come and it has not been tried yet."""
    async with database.session() as session:
        last = await models.last_training(session)
    now = clock.now()
    if not nightly.is_due(now, None if last is None else last.started_at):
        return
    training_id = uuid4()
    await models.begin_training(database, training_id, now)
    code, said = await _run(database, training_id, limit_seconds, program)
    state = {0: "done", KEPT_BACK: "kept_back"}.get(-1 if code is None else code, "failed")
    await models.end_training(database, training_id, state, said, clock.now())
    metrics.TRAININGS.labels(state).inc()
    metrics.TRAINING_FAILED.set(state == "failed")
    (log.error if state == "failed" else log.info)("training.ended", state=state, said=said, exit_code=code)


async def _run(
    database: Database, training_id: UUID, limit_seconds: float, program: Sequence[str]
) -> tuple[int | None, str]:
    """Return the exit code, None where it ran out of time, and the last line. It does not outlive this worker."""
    process = await asyncio.create_subprocess_exec(
        *program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    said = ""
    try:
        async with asyncio.timeout(limit_seconds):
            async for line in process.stdout:
                said = line.decode(errors="replace").strip()[:LINE_CHARS_MAX] or said
                await models.say(database, training_id, said)
            return await process.wait(), said
    except TimeoutError:
        return None, f"ended after {limit_seconds:.0f} s, which is its limit; last: {said}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
