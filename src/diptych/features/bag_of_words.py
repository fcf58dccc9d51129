"""How often each word of a vocabulary occurs in a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from diptych.features.feature import Feature, Side, texts_of
from diptych.kinds import BadInput, Progress
from diptych.parts.fitted import AtLeast, Regex


@dataclass
class BagOfWords(Feature):
    r"""Counts, (n, words) CSR. A text of unknown words alone is a row of zeros; one without any word raises BadInput.

    words           keep the words that occur most often in the training texts, at most so many
    min_documents   and that stand in at least so many of them
    grams           sequences of up to so many words count as words
    pattern         what a word is, in lower-case text
    """

    words: Annotated[int, AtLeast(1)] = 5000
    min_documents: Annotated[int, AtLeast(1)] = 2
    grams: Annotated[int, AtLeast(1)] = 1
    pattern: Annotated[str, Regex()] = r"\b\w\w+\b"

    side: ClassVar[Side] = "text"

    def fit(self, items: Any, progress: Progress | None = None) -> Self:
        self._learn_words(texts_of(self.paper_name(), items))
        return self

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        return self._counts(texts_of(self.paper_name(), items))

    def _learn_words(self, texts: list[str]) -> Any:
        """Learn the vocabulary; the (n, words) counts of these texts fall out of it."""
        vectorizer = self._vectorizer(min_df=self.min_documents, max_features=self.words)
        try:
            counts = vectorizer.fit_transform(texts)
        except ValueError:  # sklearn's word for an empty vocabulary
            raise BadInput(
                f"no word stands in {self.min_documents} of {len(texts)} texts; lower min_documents or give more texts"
            ) from None
        self.vocabulary_ = vectorizer.get_feature_names_out().tolist()
        return counts.astype(np.float32)

    def _counts(self, texts: list[str]) -> Any:
        return self._vectorizer(vocabulary=self.vocabulary_).transform(texts).astype(np.float32)

    def _vectorizer(self, **learned: Any) -> Any:
        from sklearn.feature_extraction.text import CountVectorizer

        return CountVectorizer(token_pattern=self.pattern, ngram_range=(1, self.grams), **learned)
