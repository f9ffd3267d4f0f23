"""Owns the nets that rank: a few small networks over standardised features, whose scores are averaged."""

import io
import zipfile
from dataclasses import dataclass

import numpy as np

from services.recommend.history import AnyArray, Floats, Matrix

CLIP = np.float32(6.0)
"""Standardised features are cut at six deviations: one value never met before must not outweigh all others."""


@dataclass(frozen=True)
class Nets:
    """Networks of one shape. `weights[n]` is nets x inputs x outputs of layer n, `biases[n]` nets x 1 x outputs."""

    centre: Matrix
    scale: Matrix
    weights: tuple[Matrix, ...]
    biases: tuple[Matrix, ...]

    @property
    def feature_count(self) -> int:
        return self.centre.size

    def score(self, features: Matrix) -> Floats:
        """Return one score per row, the mean over the networks; it orders the rows of one list.

        Raises ValueError when the number of columns differs from the training's.
        """
        if features.shape[1] != self.feature_count:
            raise ValueError(f"{features.shape[1]} features given, {self.feature_count} learned")
        if not features.shape[0]:
            return np.zeros(0)
        passed: AnyArray = standardised(features, self.centre, self.scale)[None]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            passed = np.maximum(passed @ weight + bias, np.float32(0))
        scores = passed @ self.weights[-1] + self.biases[-1]
        return np.asarray(scores[:, :, 0].mean(axis=0), np.float64)


def squashed(features: Matrix) -> Matrix:
    """Return signed logarithms: counts, days and prices lie within a few units; unknown values count as none."""
    size = np.abs(np.nan_to_num(features, posinf=0.0, neginf=0.0))
    # Not log1p: for float32 it is ten times slower than log, and the digits lost near zero say nothing.
    return np.copysign(np.log(size + np.float32(1)), features)


def standardised(features: Matrix, centre: Matrix, scale: Matrix) -> Matrix:
    """Return what the networks see: squashed, centred, in units of the training's deviation, cut at CLIP."""
    seen: Matrix = (squashed(features) - centre) * (np.float32(1) / scale)
    return np.clip(seen, -CLIP, CLIP, out=seen)


def to_bytes(nets: Nets) -> bytes:
    """Return the file of a version that holds the nets."""
    layers = zip(nets.weights, nets.biases, strict=True)
    arrays: dict[str, AnyArray] = {"centre": nets.centre, "scale": nets.scale}
    for number, (weight, bias) in enumerate(layers):
        arrays |= {f"weight.{number}": weight, f"bias.{number}": bias}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def nets_of(content: bytes) -> Nets:
    """Read what `to_bytes` wrote. Raises ValueError when it is damaged or does not fit together."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            count = sum(name.startswith("weight.") for name in arrays.files)
            weights, biases = (
                tuple(arrays[f"{kind}.{number}"] for number in range(count)) for kind in ("weight", "bias")
            )
            nets = Nets(arrays["centre"], arrays["scale"], weights, biases)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"the nets' file cannot be read: {error}") from error
    if not np.isfinite(nets.score(np.zeros((1, nets.feature_count), np.float32))).all():
        raise ValueError("the nets' file gives scores that are no numbers")
    return nets
