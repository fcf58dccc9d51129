"""What is asked of every step that solves for real unknowns: that a search from elsewhere ends no lower."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


@pytest.fixture
def centred(latent) -> Any:
    """Pairs as centred rows and float labels: X (30, 5), Y (30, 4), L (30, 4)."""
    pairs = latent(n=30, d_x=5, d_y=4)
    X, Y = (rows - rows.mean(axis=0) for rows in (pairs.images, pairs.texts))
    return X, Y, pairs.labels.astype(float)


@pytest.fixture
def no_search_gets_lower() -> Any:
    """no_search_gets_lower(made, now, name): the unknown of that name, an array or a list of them, is at a minimum."""
    from scipy.optimize import minimize

    def held(made: Any, now: Any, name: str) -> None:
        found, lowest = getattr(now, name), made.objective(now)
        arrays = found if isinstance(found, list) else [found]
        cuts = np.cumsum([array.size for array in arrays])[:-1]

        def at(flat: np.ndarray) -> float:
            parts = [part.reshape(array.shape) for part, array in zip(np.split(flat, cuts), arrays, strict=True)]
            setattr(now, name, parts if isinstance(found, list) else parts[0])
            return made.objective(now)

        flat = np.concatenate([array.ravel() for array in arrays])
        away = flat + np.random.default_rng(0).standard_normal(len(flat))
        assert minimize(at, away, method="L-BFGS-B", options={"maxiter": 500}).fun == pytest.approx(lowest, rel=1e-5)
        setattr(now, name, found)

    return held


@pytest.fixture
def factorised() -> Any:
    """factorised(made, now, X, Y): what `Factorising` minimises, term by term, on the rows themselves."""

    def total(made: Any, now: Any, X: Any, Y: Any) -> float:
        height = made.decay * (np.square(now.V).sum() + sum(np.square(one).sum() for one in (*now.U, *now.P)))
        for share, rows, U, P in zip((made.images, 1 - made.images), (X, Y), now.U, now.P, strict=False):
            height += share * np.square(rows - made.blended(now.V) @ U.T).sum()
            height += made.fit_weight * np.square(now.V - rows @ P).sum()
        return float(height)

    return total
