"""Owns Pareto/NBD: expected purchases from purchase times alone, for customers with too few for a model.

Source: Schmittlein, Morrison and Colombo 1987; the likelihood in the form of Fader and Hardie's 2005 note.
The probability of being "alive" ranks customers worse than expected purchases (measured in docs/churn.md).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1

from services.churn.visits import Floats


@dataclass(frozen=True)
class Histories:
    """Per customer: repeat purchases, time from the first to the last purchase, time since the first.

    Times in any one unit; a repeat purchase is a day with a purchase after the first day.
    """

    repeats: Floats
    last: Floats
    observed: Floats


@dataclass(frozen=True)
class ParetoNBD:
    """Gamma shapes and scales of the purchase rate (r, alpha) and of the drop-out rate (s, beta)."""

    r: float
    alpha: float
    s: float
    beta: float

    def log_likelihood(self, past: Histories) -> Floats:
        alive, gone = self._log_paths(past)
        total: Floats = self._log_purchases(past) + np.logaddexp(alive, gone)
        return total

    def alive(self, past: Histories) -> Floats:
        """Probability of still being a customer now."""
        alive, gone = self._log_paths(past)
        probability: Floats = 1.0 / (1.0 + np.exp(gone - alive))
        return probability

    def expected(self, past: Histories, ahead: float) -> Floats:
        """Expect this many purchases in the coming `ahead` units of time."""
        now = self.beta + past.observed
        rate = (self.r + past.repeats) * now / ((self.alpha + past.observed) * (self.s - 1.0))
        lasting = 1.0 - (now / (now + ahead)) ** (self.s - 1.0)
        result: Floats = rate * lasting * self.alive(past)
        return result

    def _log_purchases(self, past: Histories) -> Floats:
        constant = self.r * np.log(self.alpha) + self.s * np.log(self.beta) - gammaln(self.r)
        result: Floats = gammaln(self.r + past.repeats) + constant
        return result

    def _log_paths(self, past: Histories) -> tuple[Floats, Floats]:
        """Log weights of "alive until now" and of "dropped out after the last purchase"."""
        alive = -(self.r + past.repeats) * np.log(self.alpha + past.observed)
        alive -= self.s * np.log(self.beta + past.observed)
        total = self.r + self.s + past.repeats
        early, late = self._integral(past.repeats, past.last), self._integral(past.repeats, past.observed)
        left = np.maximum(-np.expm1(np.minimum(late - early, 0.0)), 1e-300)
        return alive, np.log(self.s / total) + early + np.log(left)

    def _integral(self, repeats: Floats, time: Floats) -> Floats:
        """Log of 2F1(...) / (max(alpha, beta) + time)^(r + s + repeats)."""
        total = self.r + self.s + repeats
        larger = max(self.alpha, self.beta)
        second = self.s + 1.0 if self.alpha >= self.beta else self.r + repeats
        series = hyp2f1(total, second, total + 1.0, abs(self.alpha - self.beta) / (larger + time))
        result: Floats = np.log(series) - total * np.log(larger + time)
        return result


def fit_pareto_nbd(past: Histories) -> ParetoNBD:
    """Maximum likelihood over the logarithms of the four parameters."""

    def loss(log_parameters: Floats) -> float:
        value = -float(ParetoNBD(*np.exp(log_parameters)).log_likelihood(past).mean())
        return value if np.isfinite(value) else 1e10

    start = np.log([0.5, 10.0, 0.6, 10.0])
    bounds = [(-6.0, 8.0)] * 4
    best = minimize(loss, start, method="Nelder-Mead", bounds=bounds, options={"maxiter": 800, "fatol": 1e-8})
    return ParetoNBD(*(float(value) for value in np.exp(best.x)))
