"""How often each word of a vocabulary occurs in a text."""

from __future__ import annotations

import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable
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
        column = {word: place for place, word in enumerate(self.vocabulary_)}
        return self._counts(texts_of(self.paper_name(), items), column.get, column)

    def _learn_words(self, texts: list[str]) -> Any:
        """Learn the vocabulary; the (n, words) counts of these texts fall out of it."""
        column: defaultdict[str, int] = defaultdict()
        column.default_factory = column.__len__  # a new word gets the next column
        counts = self._counts(texts, column.__getitem__, column)
        held = np.bincount(counts.indices, minlength=len(column))
        vocabulary = sorted(word for word, place in column.items() if held[place] >= self.min_documents)
        if not vocabulary:
            raise BadInput(
                f"no word stands in {self.min_documents} of {len(texts)} texts; lower min_documents or give more texts"
            )
        if len(vocabulary) > self.words:
            often = np.bincount(counts.indices, counts.data).astype(np.int64)[[column[word] for word in vocabulary]]
            vocabulary = [vocabulary[place] for place in sorted((-often).argsort()[: self.words])]
        self.vocabulary_ = vocabulary
        kept = counts[:, [column[word] for word in vocabulary]]
        kept.sort_indices()
        return kept

    def _words(self, text: str) -> list[str]:
        """The words of a text in their order, and behind them the sequences that count as words."""
        words = re.findall(self.pattern, text.lower())
        longer = range(2, self.grams + 1)
        return words + [" ".join(words[at : at + n]) for n in longer for at in range(len(words) - n + 1)]

    def _counts(self, texts: list[str], place_of: Callable[[str], int | None], column: dict[str, int]) -> Any:
        """(n, columns) float32 CSR of how often each word stands in a text, columns in order."""
        # Not by scikit-learn: a search for one text would wait longer for it to load than for all the rest.
        from scipy.sparse import csr_matrix

        places, numbers, ends = array("q"), array("q"), array("q", [0])
        for text in texts:
            for word, number in Counter(self._words(text)).items():
                if (place := place_of(word)) is not None:
                    places.append(place)
                    numbers.append(number)
            ends.append(len(places))
        shape = (len(texts), len(column))
        counts = csr_matrix((np.array(numbers, dtype=np.float32), np.array(places), np.array(ends)), shape=shape)
        counts.sort_indices()
        return counts
