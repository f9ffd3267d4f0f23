"""Sharing an amount among lines, so that they add up to what was paid."""

from collections.abc import Sequence


def spread(total_minor: int, weights: Sequence[int]) -> list[int]:
    """Share `total_minor` among lines by weight, to the last minor unit (largest remainder first).

    What was paid for a whole receipt or order contains discounts (and of an order shipping and tax) that its lines
    do not name: what a customer paid for a line is its share. Without any weight the shares are equal.
    """
    if not weights:
        return []
    if not any(weights):
        weights = [1] * len(weights)
    whole = sum(weights)
    shares = [total_minor * weight // whole for weight in weights]
    remainders = [total_minor * weight % whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: (-remainders[place], place))
    for place in by_remainder[: total_minor - sum(shares)]:
        shares[place] += 1
    return shares
