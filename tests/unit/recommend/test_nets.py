"""The nets that rank: what they learn, that they are the same from run to run, and come back from their file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommend.history import Matrix
from services.recommend.ranking.net import CLIP, Nets, nets_of, squashed, standardised, to_bytes
from services.recommend.training.nets import Lists, NetParameters, fit_nets, standardise

QUICK = NetParameters(hidden=(8, 4), epochs=20, batch_lists=16, peak_rate=0.02)


def lists_of(count: int = 200, kept_chance: float = 1.0, seed: int = 5) -> Lists:
    """Ten candidates each; the one with the highest first feature is bought, the other two features say nothing."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(count * 10, 3)).astype(np.float32)
    best = features[:, 0].reshape(count, 10).argmax(axis=1)
    gains = np.zeros((count, 10), np.float32)
    gains[np.arange(count), best] = draw.uniform(0.2, 1.0, count)
    kept = (gains.ravel() > 0) | (draw.random(count * 10) < kept_chance)
    chance = np.where(gains.ravel() > 0, 1.0, kept_chance).astype(np.float32)
    sizes = np.add.reduceat(kept.astype(np.int64), np.arange(count) * 10)
    return Lists(features[kept], gains.ravel()[kept], chance[kept], sizes)


def fitted(lists: Lists, seeds: tuple[int, ...] = (1, 2)) -> Nets:
    centre, scale = standardise(lists.features)
    return fit_nets(lists, centre, scale, seeds, QUICK)


def share_found(nets: Nets) -> float:
    """Return how often the bought product of unseen lists has the highest score."""
    unseen = lists_of(seed=6)
    scores = nets.score(unseen.features).reshape(-1, 10)
    return float((scores.argmax(axis=1) == unseen.gains.reshape(-1, 10).argmax(axis=1)).mean())


@pytest.mark.parametrize("kept_chance", [1.0, 0.5])
def test_nets_learn_which_candidate_is_bought(kept_chance: float) -> None:
    assert share_found(fitted(lists_of(kept_chance=kept_chance))) > 0.8


def test_nets_are_the_same_for_the_same_seeds_and_others_for_others() -> None:
    one, same, other = (fitted(lists_of(), seeds) for seeds in ((1, 2), (1, 2), (3, 4)))
    assert to_bytes(one) == to_bytes(same)
    assert not np.array_equal(one.weights[0], other.weights[0])


def test_score_is_the_mean_of_the_single_nets() -> None:
    nets = fitted(lists_of())
    rows = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    single = [
        Nets(
            nets.centre,
            nets.scale,
            tuple(w[n : n + 1] for w in nets.weights),
            tuple(b[n : n + 1] for b in nets.biases),
        )
        for n in range(2)
    ]
    assert nets.score(rows) == pytest.approx(np.mean([net.score(rows) for net in single], axis=0), abs=1e-5)


def test_nets_survive_their_file_bit_by_bit() -> None:
    nets = fitted(lists_of())
    rows = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    assert nets_of(to_bytes(nets)).score(rows).tolist() == nets.score(rows).tolist()


def test_rows_of_another_width_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="2 features given, 3 learned"):
        fitted(lists_of()).score(np.zeros((1, 2), np.float32))


def test_no_rows_have_no_scores() -> None:
    assert fitted(lists_of()).score(np.zeros((0, 3), np.float32)).size == 0


@pytest.mark.parametrize(
    "damage", [lambda body: b"", lambda body: body[: len(body) // 2], lambda body: b"x" + body[9:]]
)
def test_damaged_file_is_refused(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(ValueError, match="nets' file"):
        nets_of(damage(to_bytes(fitted(lists_of()))))


def test_scores_that_are_no_numbers_are_refused() -> None:
    nets = fitted(lists_of())
    broken = Nets(nets.centre, nets.scale, (nets.weights[0] * np.float32(np.nan), *nets.weights[1:]), nets.biases)
    with pytest.raises(ValueError, match="no numbers"):
        nets_of(to_bytes(broken))


def test_lists_in_which_nothing_was_bought_teach_nothing() -> None:
    lists = lists_of(3)
    with pytest.raises(ValueError, match="nothing to learn"):
        fitted(Lists(lists.features, np.zeros_like(lists.gains), lists.kept, lists.sizes))


def test_column_that_never_differs_becomes_zero() -> None:
    rows = np.full((50, 1), 3.0, np.float32)
    standardise(rows)
    assert np.abs(rows).max() < 1e-5


values = st.floats(-1e6, 1e6, width=32)


@given(row=st.lists(values, min_size=3, max_size=3))
@settings(max_examples=50)
def test_what_was_never_met_before_is_cut(row: list[float]) -> None:
    centre, scale = np.zeros(3, np.float32), np.full(3, 0.5, np.float32)
    seen: Matrix = standardised(np.array([row], np.float32), centre, scale)
    assert np.abs(seen).max() <= CLIP
    assert (squashed(np.array(row, np.float32)) * np.array(row) >= 0).all()


def test_unknown_values_count_as_none() -> None:
    assert squashed(np.array([np.nan, np.inf, 0.0], np.float32)).tolist() == [0.0, 0.0, 0.0]
