# lies at: services/campaign/domain.py
price_minor: float = 0.0  # breaks the rule
total_minor: int = 0
share: float = 0.5


class Coupon:
    discount_minor: "float | None"  # breaks the rule


def net_minor(gross_minor: float | None, returns_minor: int) -> int:  # breaks the rule
    return gross_minor - returns_minor


def margin_minor(lines: list[int]) -> float:  # breaks the rule
    return sum(lines) / 2
