import numpy as np
from sklearn.linear_model import LogisticRegression

from diptych.parts.logistic import logistic


def test_each_bit_is_the_regression_of_scikit_learn_and_each_turn_goes_down():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((80, 5))
    B = np.where(X @ rng.standard_normal((5, 3)) + rng.standard_normal((80, 3)) >= 0, 1.0, -1.0)

    def height(W):
        return np.logaddexp(0, -B * (X @ W)).sum() + 0.5 / 2 * np.square(W).sum()

    assert (np.diff([height(logistic(X, B, 0.5, turns)) for turns in range(12)]) < 0).all()
    W = logistic(X, B, 0.5, 300)
    for bit in range(3):
        peer = LogisticRegression(C=1 / 0.5, fit_intercept=False, tol=1e-9).fit(X, B[:, bit])
        np.testing.assert_allclose(W[:, bit], peer.coef_[0], atol=1e-4)
