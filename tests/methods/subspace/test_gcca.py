"""MAX-VAR: two views are CCA, directions of several are those of its eigenproblem, and compositions tell views."""

import numpy as np
import pytest

from diptych.kinds import BadInput, Pairs
from diptych.methods.hashing.shallow.multiview_gcca import MultiviewGCCA
from diptych.methods.subspace.cca import CCA
from diptych.methods.subspace.gcca import GCCA


@pytest.fixture
def pairs(latent) -> Pairs:
    found = latent(n=80, d_x=7, d_y=5)
    return found.features(found.images, found.texts, ((3, 4), ()))


def test_of_a_view_a_side_it_is_cca(pairs):
    one = pairs.features(pairs.images, pairs.texts)
    ours, theirs = GCCA(dims=4, ridge=0.3).fit(one), CCA(dims=4, ridge=0.3).fit(one)
    np.testing.assert_allclose(ours.correlations_, theirs.correlations_)
    for side in ("images", "texts"):
        encoded = [getattr(made, f"encode_{side}")(getattr(one, side)) for made in (ours, theirs)]
        np.testing.assert_allclose(encoded[0] @ encoded[0].T, encoded[1] @ encoded[1].T, atol=1e-5)


def test_three_views_agree_on_the_rows_that_all_of_them_tell_best(pairs):
    made = GCCA(dims=2, ridge=1e-9, power=0).fit(pairs)
    rows = np.hstack([pairs.images, pairs.texts])
    views = [view - view.mean(axis=0) for view in np.split(rows, [3, 7], axis=1)]
    told = sum(view @ np.linalg.pinv(view) for view in views)  # G of MAX-VAR are its first eigenvectors
    values, vectors = np.linalg.eigh(told)
    np.testing.assert_allclose(made.correlations_, (values[::-1][:2] - 1) / 2, rtol=1e-5)
    G = np.hstack([*views]) @ np.vstack([made.A_, made.B_])
    G /= np.linalg.norm(G, axis=0)
    np.testing.assert_allclose(np.abs((G * vectors[:, ::-1][:, :2]).sum(axis=0)), 1, rtol=1e-5)


def test_batches_give_what_all_at_once_give(pairs):
    whole, parts = GCCA(dims=3).fit(pairs), GCCA(dims=3)
    for rows in np.array_split(np.arange(80), 3):
        parts.partial_fit(pairs.select(rows))
    np.testing.assert_allclose(np.abs(parts.A_), np.abs(whole.A_), atol=1e-9)


def test_codes_are_turned_until_signs_lose_least(pairs):
    lost = []
    for rounds in (0, 3, 30):
        made = MultiviewGCCA(bits=3, rounds=rounds).fit(pairs)
        G = (pairs.images - made.mean_x_) @ made.A_ + (pairs.texts - made.mean_y_) @ made.B_
        lost.append(np.abs(G).sum())  # ||B - G R||² falls as this rises
    assert lost[0] < lost[1] <= lost[2]


def test_views_have_the_width_of_their_rows(pairs):
    with pytest.raises(BadInput, match="7 wide"):
        pairs.features(pairs.images, pairs.texts, ((3, 3), ()))
