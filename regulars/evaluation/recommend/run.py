"""Owns running a protocol of the offline evaluation from data to report."""

import time

from regulars.evaluation.recommend.completion import completion
from regulars.evaluation.recommend.next_basket import last_basket, temporal
from regulars.evaluation.recommend.report import Progress, Protocol, Report, report_of
from regulars.evaluation.recommend_data import Evaluated


def evaluate(data: Evaluated, protocol: Protocol, progress: Progress = lambda _: None) -> Report:
    """Run one protocol. Raises TooLittleDataError when the receipts are too few to train on."""
    started = time.perf_counter()
    if protocol is Protocol.COMPLETION:
        lists, notes = completion(data, progress)
    elif protocol is Protocol.LAST_BASKET:
        lists, notes = last_basket(data, progress, new_only=False)
    else:
        lists, notes = temporal(data, progress, new_only=protocol is Protocol.DISCOVER)
    second = last_basket(data, progress, new_only=True)[0] if protocol is Protocol.DISCOVER else None
    return report_of(data, protocol, lists, notes, started, second)
