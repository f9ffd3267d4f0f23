"""Owns fitting the nets: softmax over a customer's candidates against what the next baskets held, by Adam in numpy.

Recall and NDCG are linear in the gain 1/IDCG of a bought product's basket, so that its expectation is what to order
by. The softmax over the whole list makes a candidate compete with those that it will stand beside.
"""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np

from services.recommend.history import Ints, Matrix, ranges
from services.recommend.ranking.net import CLIP, Nets, squashed

NETS = 4
_GRADIENT_SCALE = np.float32(3.0)
_FIRST_DECAY, _SECOND_DECAY = 0.9, 0.999


@dataclass(frozen=True, slots=True)
class NetParameters:
    """How the nets are fitted; chosen on origins before the test's."""

    hidden: tuple[int, ...] = (128, 48)
    epochs: int = 8
    batch_lists: int = 64
    peak_rate: float = 1e-3
    warm_up_share: float = 0.1
    shrinkage: float = 1e-5


DEFAULTS = NetParameters()


@dataclass(frozen=True)
class Lists:
    """Candidates of many customers, list after list: `sizes` rows each.

    `gains` is what showing a row would have been worth (0: not bought), `kept` the probability with which the row
    was kept when those not bought were drawn, so that a list's sum can be estimated from what is left.
    """

    features: Matrix
    gains: Matrix
    kept: Matrix
    sizes: Ints

    @cached_property
    def starts(self) -> Ints:
        return np.cumsum(self.sizes) - self.sizes


def fit_nets(
    lists: Lists, centre: Matrix, scale: Matrix, seeds: Iterable[int], parameters: NetParameters | None = None
) -> Nets:
    """Fit one net per seed and return them together; `lists.features` are standardised by `centre` and `scale`.

    Raises ValueError without a list in which anything was bought.
    """
    chosen = parameters or DEFAULTS
    useful = np.flatnonzero(np.add.reduceat(lists.gains, lists.starts) > 0) if lists.sizes.size else lists.sizes
    if not useful.size:
        raise ValueError("nothing was bought in any list: there is nothing to learn")
    # Numpy leaves the interpreter's lock while it works on large arrays: two threads use two cores.
    with ThreadPoolExecutor(2) as threads:
        fitted = list(threads.map(lambda seed: _Fit(lists, useful, chosen, seed).fitted(), seeds))
    layers = [np.stack(layer) for layer in zip(*fitted, strict=True)]
    biases = tuple(bias[:, None, :] for bias in layers[1::2])
    return Nets(centre, scale, tuple(layers[0::2]), biases)


def standardise(features: Matrix) -> tuple[Matrix, Matrix]:
    """Squash, centre and scale every column in place; return (centre, scale). What never differs becomes zero."""
    centre, scale = np.empty(features.shape[1], np.float32), np.empty(features.shape[1], np.float32)
    for column in range(features.shape[1]):
        values = squashed(features[:, column])
        centre[column], deviation = values.mean(dtype=np.float64), values.std(dtype=np.float64)
        scale[column] = deviation if deviation > 1e-6 else 1.0
        features[:, column] = np.clip((values - centre[column]) * (1 / scale[column]), -CLIP, CLIP)
    return centre, scale


@dataclass
class _Fit:
    """One net being fitted: parameters (weights and biases in turn) and Adam's moments."""

    lists: Lists
    useful: Ints
    chosen: NetParameters
    seed: int
    parameters: list[Matrix] = field(init=False)
    first: list[Matrix] = field(init=False)
    second: list[Matrix] = field(init=False)

    def __post_init__(self) -> None:
        self._draw = np.random.default_rng(self.seed)
        self.parameters = _initial((self.lists.features.shape[1], *self.chosen.hidden, 1), self._draw)
        self.first = [np.zeros_like(values) for values in self.parameters]
        self.second = [np.zeros_like(values) for values in self.parameters]

    def fitted(self) -> list[Matrix]:
        """Go through all lists some times and return the parameters."""
        steps = self.chosen.epochs * -(-self.useful.size // self.chosen.batch_lists)
        for step, batch in enumerate(self._batches(), start=1):
            cooling = 0.5 * (1 + np.cos(np.pi * step / steps)) * min(1.0, step / (steps * self.chosen.warm_up_share))
            self._step(self._gradients(batch), step, self.chosen.peak_rate * float(cooling))
        return self.parameters

    def _batches(self) -> Iterator[Ints]:
        for _ in range(self.chosen.epochs):
            shuffled = self._draw.permutation(self.useful)
            for start in range(0, shuffled.size, self.chosen.batch_lists):
                yield shuffled[start : start + self.chosen.batch_lists]

    def _gradients(self, batch: Ints) -> list[Matrix]:
        lists, parameters = self.lists, self.parameters
        sizes = lists.sizes[batch]
        rows = ranges(lists.starts[batch], sizes)
        activations = [lists.features[rows]]
        for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            activations.append(np.maximum(activations[-1] @ weight + bias, np.float32(0)))
        scores = (activations[-1] @ parameters[-2] + parameters[-1])[:, 0]
        errors = _errors(scores, lists.gains[rows], lists.kept[rows], sizes)[:, None]
        found: list[Matrix] = []
        for layer in range(len(parameters) - 2, -1, -2):
            below = activations[layer // 2]
            shrunk = below.T @ errors + np.float32(self.chosen.shrinkage) * parameters[layer]
            found[:0] = [shrunk, errors.sum(axis=0)]
            if layer:
                errors = (errors @ parameters[layer].T) * (below > 0)
        return found

    def _step(self, gradients: list[Matrix], step: int, rate: float) -> None:
        """Adam."""
        rate /= 1 - _FIRST_DECAY**step
        share = np.float32(1 - _SECOND_DECAY**step)
        for layer, gradient in enumerate(gradients):
            self.first[layer] += np.float32(1 - _FIRST_DECAY) * (gradient - self.first[layer])
            self.second[layer] += np.float32(1 - _SECOND_DECAY) * (gradient * gradient - self.second[layer])
            size = np.sqrt(self.second[layer] / share) + np.float32(1e-8)
            self.parameters[layer] -= np.float32(rate) * self.first[layer] / size


def _initial(sizes: Sequence[int], draw: np.random.Generator) -> list[Matrix]:
    out: list[Matrix] = []
    for inputs, outputs in pairwise(sizes):
        spread = np.sqrt(2 / inputs) * (0.1 if outputs == 1 else 1.0)
        out += [draw.normal(0, spread, (inputs, outputs)).astype(np.float32), np.zeros(outputs, np.float32)]
    return out


def _errors(scores: Matrix, gains: Matrix, kept: Matrix, sizes: Ints) -> Matrix:
    """Return the gradient by each score of the lists' cross-entropy, every list weighing the gain there was in it.

    A row kept with probability q stands for 1/q of its kind in the list's sum.
    """
    starts = np.cumsum(sizes) - sizes
    shifted = scores - np.log(kept)
    shares = np.exp(shifted - np.repeat(np.maximum.reduceat(shifted, starts), sizes))
    shares /= np.repeat(np.add.reduceat(shares, starts), sizes)
    total = np.repeat(np.add.reduceat(gains, starts), sizes)
    errors: Matrix = (shares * total - gains) * (_GRADIENT_SCALE / np.float32(sizes.size))
    return errors
