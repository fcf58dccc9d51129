"""Rows on a grid of whole numbers (scores are exact, ties abound) and pictures and texts in two cones."""

from __future__ import annotations

import numpy as np
import pytest

from diptych.kinds import Array, cosine


@pytest.fixture(scope="session")
def cones() -> tuple[Array, Array, Array, Array]:
    """20,000 pictures and three disjoint sets of texts (to train, tune, measure), 64 columns, with a modality gap."""
    rng = np.random.default_rng(0)
    dims, n = 64, 20_000
    falling = np.arange(1, dims + 1) ** -0.5
    cone = cosine.normalise(rng.standard_normal((2, dims)))
    content = cosine.normalise(rng.standard_normal((n, dims)) * falling)
    told = content[rng.choice(n, 1500, replace=False)]
    told = told + cosine.normalise(rng.standard_normal(told.shape) * falling)
    texts = cosine.normalise(0.86 * cone[1] + 0.5 * cosine.normalise(told))
    return cosine.normalise(0.7 * cone[0] + 0.7 * content), texts[:700], texts[700:1200], texts[1200:]
