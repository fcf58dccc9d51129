"""Semantic matching (Rasiwasia, Costa Pereira, Coviello, Doyle, Lanckriet, Levy & Vasconcelos, ACM MM 2010).

Multiclass logistic regression on each side,  P(c | x) ∝ exp(w_c'x),  brings both to the simplex of class probabilities,
where they are compared by centred normalised correlation. A row with several labels counts once for each, in equal
shares.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np

from diptych.kinds import Array, BadInput, Pairs
from diptych.method import Method, check, dense, featured
from diptych.parts.fitted import Above


@dataclass
class SM(Method):
    """strength: inverse of the L2 penalty on standardised features. centre: subtract each row's mean probability."""

    needs = "labels"
    strength: Annotated[float, Above(0)] = 0.01
    centre: bool = True

    def fit(self, train: Pairs) -> Self:
        check(train, self.needs)
        self.mean_x_, self.W_x_, self.b_x_ = self._classifier(dense(featured(train.images, "images")), train.labels)
        self.mean_y_, self.W_y_, self.b_y_ = self._classifier(dense(featured(train.texts, "texts")), train.text_labels)
        return self

    def _classifier(self, X: Array, L: Array | None) -> tuple[Array, Array, Array]:
        from sklearn.linear_model import LogisticRegression

        assert L is not None
        row, label = np.nonzero(L)
        if len(np.unique(label)) < 2:
            raise BadInput("sm tells labels apart and every row has the same one; use one that needs pairs only")
        mean, deviation = X.mean(axis=0), np.maximum(X.std(axis=0), 1e-12)
        share = 1.0 / L.sum(axis=1)[row]
        model = LogisticRegression(C=self.strength, max_iter=1000, tol=1e-6)
        model.fit(((X - mean) / deviation)[row], label, sample_weight=share)
        W, b = np.zeros((X.shape[1], L.shape[1])), np.full(L.shape[1], -30.0)  # a label never seen gets no probability
        # Of two labels scikit-learn tells the odds of the second; the first then stands at 0.
        coef, intercept = model.coef_, model.intercept_
        if len(model.classes_) == 2:
            coef, intercept = np.vstack([0 * coef, coef]), np.append(0.0, intercept)
        W[:, model.classes_], b[model.classes_] = coef.T / deviation[:, None], intercept
        return mean, W, b

    def _posterior(self, X: Array, W: Array, b: Array) -> Array:
        logits = X @ W + b
        P = np.exp(logits - logits.max(axis=1, keepdims=True))
        P /= P.sum(axis=1, keepdims=True)
        return self.space.normalise(P - P.mean(axis=1, keepdims=True) if self.centre else P)

    def encode_images(self, items: Any) -> Array:
        return self._posterior(dense(featured(items, "images", len(self.mean_x_))) - self.mean_x_, self.W_x_, self.b_x_)

    def encode_texts(self, items: Any) -> Array:
        return self._posterior(dense(featured(items, "texts", len(self.mean_y_))) - self.mean_y_, self.W_y_, self.b_y_)
