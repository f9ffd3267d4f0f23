"""A web shop's order as a receipt: lines that add up to what was paid."""

from collections.abc import Sequence


def spread(total_minor: int, weights: Sequence[int]) -> list[int]:
    """Share `total_minor` among lines by weight, to the last minor unit (largest remainder first).

    An order's total contains its shipping, tax and discounts, which its lines do not name: what a customer
    paid for a line is its share of the total. Without any weight the shares are equal.
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
