"""Topics: which of a few themes a text speaks of, and how much of each.

Blei, Ng & Jordan, "Latent Dirichlet allocation", JMLR 3, 2003; learned as in Hoffman, Blei & Bach, "Online learning for
latent Dirichlet allocation", NIPS 2010.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np

from diptych.features.bag_of_words import BagOfWords
from diptych.features.feature import texts_of
from diptych.kinds import Progress
from diptych.parts.fitted import AtLeast

_LEARNED = ("components_", "exp_dirichlet_component_")


@dataclass
class LDA(BagOfWords):
    """(n, topics) float32 shares that sum to 1. A text of unknown words alone has the same share of every topic.

    topics    how many
    passes    times the training texts are gone through
    """

    topics: Annotated[int, AtLeast(1)] = 50
    passes: Annotated[int, AtLeast(1)] = 10
    seed: Annotated[int, AtLeast(0)] = 0

    def fit(self, items: Any, progress: Progress | None = None) -> Self:
        counts = self._learn_words(texts_of(self.paper_name(), items))
        model = self._model(total_samples=counts.shape[0])
        for done in range(self.passes):
            model.partial_fit(counts)
            if progress:
                progress("lda: passes", done + 1, self.passes)
        for name in _LEARNED:
            setattr(self, name, getattr(model, name))
        return self

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        # Each of these is a documented attribute of a fitted model; `transform` reads no other.
        counts = super().transform(items, progress)
        if not counts.shape[0]:  # scikit-learn wants a row
            return np.empty((0, self.topics), dtype=np.float32)
        model = self._model()
        for name in _LEARNED:
            setattr(model, name, getattr(self, name))
        model.doc_topic_prior_ = 1.0 / self.topics
        model.n_features_in_ = len(self.vocabulary_)
        return model.transform(counts).astype(np.float32)

    def _model(self, **more: Any) -> Any:
        from sklearn.decomposition import LatentDirichletAllocation

        return LatentDirichletAllocation(self.topics, learning_method="online", random_state=self.seed, **more)
