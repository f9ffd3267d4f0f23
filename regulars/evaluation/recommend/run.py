"""Owns running a protocol of the offline evaluation from data to report."""

import time

from regulars.evaluation.progress import Progress
from regulars.evaluation.recommend.completion import completion
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.lists import Protocol
from regulars.evaluation.recommend.next_basket import last_basket, temporal
from regulars.evaluation.recommend.report import Report, report_of


def evaluate(data: Evaluated, protocol: Protocol, progress: Progress = lambda _: None) -> Report:
    """Run one protocol. Raises TooLittleDataError or NobodyToAskError when the receipts are too few."""
    started = time.perf_counter()
    if protocol is Protocol.COMPLETION:
        return report_of(data, protocol, completion(data, progress), started)
    if protocol is Protocol.LAST_BASKET:
        return report_of(data, protocol, last_basket(data, progress, new_only=False), started)
    new_only = protocol is Protocol.DISCOVER
    lists = temporal(data, progress, new_only=new_only)
    second = last_basket(data, progress, new_only=True) if new_only else None
    return report_of(data, protocol, lists, started, second)
