"""What is found where something is wrong: with what is learned from, or with what is asked."""

import numpy as np
import pytest
from flow_world import MadeUp

from diptych import catalogue
from diptych.flow.prepare import prepare
from diptych.flow.robustness import Trial, missing_labels, robustness, wrong_labels, wrong_pairs
from diptych.kinds import BadInput, Pairs, cosine

MADE_UP = MadeUp().dataset


def by_what(trials) -> dict[tuple[str, float], Trial]:
    return {(trial.what, trial.amount): trial for trial in trials}


def mean(trial: Trial) -> float:
    return (trial.i2t + trial.t2i) / 2


@pytest.mark.parametrize("method", ["scm_hash", "cca"])
def test_an_attack_does_what_noise_of_its_size_does_not(method):
    found = by_what(robustness(method, MADE_UP, protocol="labels", shares=[0.5], sizes=[0.02, 0.6]))
    clean, noise, attack = found["nothing", 0.0], found["noise", 0.6], found["attack", 0.6]
    harms = {"wrong pairs", "noise", "attack", *(["missing labels", "wrong labels"] if method == "scm_hash" else [])}
    assert {what for what, _ in found} == {"nothing", *harms}
    assert [what for (what, _), trial in found.items() if trial.towards is not None] == [
        *["noise"] * 2,
        *["attack"] * 2,
    ]
    assert mean(attack) < mean(noise) - 0.03
    assert sum(attack.towards) / 2 > sum(noise.towards) / 2 + 0.15
    for what in ("noise", "attack"):
        assert abs(mean(found[what, 0.02]) - mean(clean)) < 0.05


def test_the_same_seed_gives_the_same_trials_and_another_others():
    def trials(seed: int) -> list[Trial]:
        prepared = prepare(MADE_UP, protocol="labels", seed=seed)
        return list(robustness("cca", prepared, shares=[0.4], sizes=[0.1]))

    assert trials(0) == trials(0) != trials(1)


def test_wrong_pairs_stand_in_each_others_place_and_missing_labels_are_not_told():
    n = 200
    pairs = Pairs(np.arange(n)[:, None] + 1.0, np.arange(n)[:, None] + 1.0, labels=np.ones((n, 5)))
    wrong = wrong_pairs(pairs, 0.4, seed=3)
    moved = wrong.texts[:, 0] != pairs.texts[:, 0]
    assert moved.sum() == 80 and sorted(wrong.texts[:, 0]) == sorted(pairs.texts[:, 0])
    assert (wrong.images == pairs.images).all() and (wrong.owner == pairs.owner).all()
    missing = missing_labels(pairs, 0.4, seed=3)
    assert 0.35 < 1 - missing.labels.mean() < 0.45 and (missing.texts == pairs.texts).all()
    assert (pairs.labels == 1).all()


def test_a_wrong_label_stands_in_the_place_of_a_right_one_where_there_is_another():
    pairs = Pairs(np.ones((500, 1)), np.ones((500, 1)), labels=np.arange(6) < 2 * np.ones((500, 1)))
    wrong = wrong_labels(pairs, 0.3, seed=3).labels
    assert (wrong.sum(axis=1) == 2).all()
    assert 0.25 < 1 - wrong[:, :2].mean() < 0.35
    assert wrong[:, 2:].any(axis=0).all()  # which one is drawn
    every = Pairs(np.ones((9, 1)), np.ones((9, 1)), labels=np.ones((9, 4)))
    assert wrong_labels(every, 0.5).labels.mean() < 1


def test_what_a_method_fits_is_harmed_and_what_it_is_asked_of_is_not():
    # Labels of the database are those of the training pairs here: what is missing in them must not be missing there.
    found = by_what(robustness("scm_hash", MADE_UP, protocol="labels", shares=[0.2, 0.9], sizes=[]))
    assert mean(found["missing labels", 0.9]) < mean(found["nothing", 0.0])
    assert mean(found["missing labels", 0.2]) > 0.6 * mean(found["nothing", 0.0])
    assert mean(found["wrong labels", 0.9]) < mean(found["wrong labels", 0.2])


@pytest.mark.parametrize("method", ["cca", "scm_hash", "lcmfh", "dcmh"])
def test_slopes_are_those_of_small_steps(method):
    if method == "dcmh":
        pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    train = MADE_UP.read("train")
    settings = {"epochs": "2", "held_out": "0"} if method == "dcmh" else {}
    fitted = catalogue.method(method).configured(settings).fit(train)
    outputs = _outputs(fitted)
    rows, step = np.asarray(train.images[:6]), 1e-3
    wanted = rng.standard_normal((6, outputs(rows).shape[1]))

    def near(moved: np.ndarray) -> np.ndarray:
        return (cosine.normalise(outputs(moved)) * cosine.normalise(wanted)).sum(axis=1)

    slope = fitted.slope("images", rows, wanted)
    for column in range(rows.shape[1]):
        aside = np.zeros_like(rows)
        aside[:, column] = step
        expected = (near(rows + aside) - near(rows - aside)) / (2 * step)
        assert slope[:, column] == pytest.approx(expected, abs=2e-3)


def _outputs(fitted):
    """What a method makes of pictures before signs and lengths are taken."""
    if hasattr(fitted, "a_"):
        return lambda rows: rows @ fitted.A_ - fitted.a_
    if hasattr(fitted, "A_"):
        return lambda rows: (rows - fitted.mean_x_) @ fitted.A_
    return lambda rows: fitted.outputs(fitted.trained().images, rows).astype(np.float64)


def test_what_can_not_be_told_is_refused_in_one_line():
    with pytest.raises(BadInput, match="protocol pairs judges by pair"):
        robustness("cca", MADE_UP)
    with pytest.raises(BadInput, match="between 0 and 1"):
        robustness("cca", MADE_UP, protocol="labels", shares=[1.5])
    with pytest.raises(BadInput, match="between 0 and 1"):
        robustness("cca", MADE_UP, protocol="labels", sizes=[0])
    for method, settings in (("sm", {}), ("scratch", {"landmarks": "20", "rounds": "1"})):
        with pytest.raises(BadInput, match=f"{method}: its outputs have no gradient"):
            list(robustness(method, MADE_UP, settings=settings, protocol="labels", shares=[], sizes=[0.1]))
