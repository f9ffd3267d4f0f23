"""Owns the figures by which scores are judged: ranking, calibration, curves, bootstrap intervals."""

from collections.abc import Callable, Sequence

import numpy as np

from services.churn.visits import Bools, Floats, Ints

Figure = Callable[[Bools, Floats], float]


def auc(happened: Bools, score: Floats) -> float:
    """Area under the ROC curve, ties counted half; NaN when only one class is present."""
    positives = int(happened.sum())
    negatives = len(happened) - positives
    if not positives or not negatives:
        return float("nan")
    rank_sum = float(average_ranks(score)[happened].sum())
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)


def average_ranks(score: Floats) -> Floats:
    """Ranks 1.., equal values sharing their mean rank."""
    _, group, count = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    mean_rank: Floats = (last - (count - 1) / 2)[group]
    return mean_rank


def average_precision(happened: Bools, score: Floats) -> float:
    """Mean precision at each positive, tied scores taken together (the step-wise area under PR)."""
    if not happened.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last_of_tie = np.append(ordered[1:] != ordered[:-1], True)
    found = np.cumsum(happened[order])[last_of_tie]
    seen = np.flatnonzero(last_of_tie) + 1
    gained = np.diff(found, prepend=0)
    return float((found / seen * gained).sum() / found[-1])


def precision_at(happened: Bools, score: Floats, share: float) -> float:
    """Share of events among the `share` of rows with the highest score (at least one row)."""
    top = max(1, round(share * len(score)))
    order = np.argsort(-score, kind="stable")[:top]
    return float(happened[order].mean())


def lift_at(happened: Bools, score: Floats, share: float = 0.1) -> float:
    base = float(happened.mean())
    return precision_at(happened, score, share) / base if base else float("nan")


def brier(happened: Bools, probability: Floats) -> float:
    return float(((probability - happened) ** 2).mean())


def calibration_error(happened: Bools, probability: Floats, bins: int = 10) -> float:
    """ECE: mean distance of predicted and observed share over bins of equal size."""
    order = np.argsort(probability, kind="stable")
    parts = np.array_split(order, bins)
    sizes = [len(part) for part in parts if len(part)]
    gaps = [abs(float(probability[part].mean() - happened[part].mean())) for part in parts if len(part)]
    return float(np.average(gaps, weights=sizes))


def concordance(weeks: Floats, happened: Bools, risk: Floats) -> float:
    """Harrell's C: of comparable pairs, how often the earlier event has the higher risk."""
    agreed = comparable = 0.0
    for at in np.unique(weeks[happened]):
        first = risk[happened & (weeks == at)]
        later = np.sort(risk[(weeks > at)])
        below = np.searchsorted(later, first, side="left")
        upto = np.searchsorted(later, first, side="right")
        agreed += float((below + (upto - below) / 2).sum())
        comparable += len(first) * len(later)
    return agreed / comparable if comparable else float("nan")


def integrated_brier(weeks: Floats, happened: Bools, event_by_week: Floats) -> float:
    """Mean Brier score of P(event by week k) over k = 1..K; valid when nothing is censored before K."""
    horizon = event_by_week.shape[1]
    scores = [brier(happened & (weeks <= week), event_by_week[:, week - 1]) for week in range(1, horizon + 1)]
    return float(np.mean(scores))


def interval(
    customers: Sequence[Ints],
    figure: Callable[[Sequence[Ints]], float],
    *,
    rounds: int = 200,
    seed: int = 7,
) -> tuple[float, float]:
    """95 % bootstrap interval over customers of a figure taken over several origins.

    `customers[i]` names the customer of each row of origin i. One draw of customers is applied to all
    origins, because a customer's rows are not independent; `figure` gets the drawn rows of each origin.
    """
    rng = np.random.default_rng(seed)
    everyone = np.unique(np.concatenate([np.asarray(part) for part in customers]))
    size = int(everyone[-1]) + 1 if len(everyone) else 0
    values = []
    for _ in range(rounds):
        drawn = rng.choice(everyone, len(everyone))
        times = np.bincount(drawn, minlength=size)
        values.append(figure([np.repeat(np.arange(len(part)), times[part]) for part in customers]))
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)
