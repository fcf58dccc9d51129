"""The crowd of a distribution that is known."""

import numpy as np
import pytest

from diptych.parts.crowds import crowd


def test_the_mode_and_who_strays_from_it_on_which_side():
    rng = np.random.default_rng(0)
    below, above = -np.abs(rng.normal(0, 0.05, 100_000)), rng.exponential(0.1, 100_000)
    mode, low, high = crowd(0.3 + np.concatenate([below, above]))
    assert mode == pytest.approx(0.3, abs=0.02)
    assert (low <= 0).all()
    assert (high >= 0).all()
    assert np.sqrt(np.square(low).mean()) == pytest.approx(0.05, abs=0.01)
    assert high.mean() == pytest.approx(0.1, abs=0.01)
