"""The vectors of a text's words, in their order.

Kim, "Convolutional neural networks for sentence classification", EMNLP 2014, section 2; Pennington, Socher & Manning,
"GloVe: Global vectors for word representation", EMNLP 2014.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import numpy as np

from diptych.features.feature import Feature, Side, texts_of
from diptych.features.word_vectors import WordVectors
from diptych.kinds import Progress
from diptych.parts.fitted import AtLeast, Regex


@dataclass
class WordSequence(Feature):
    r"""(n, length, d) float32, for methods that read tokens: rows of zeros follow the last word as padding.

    Unknown words are left out. A text of unknown words alone is padding; one without any word raises BadInput.

    file      as `word_vectors` has it
    length    only the first so many known words of a text; fewer where no training text has so many
    words     as `word_vectors` has it
    pattern   what a word is, in lower-case text
    """

    file: str = WordVectors.file
    length: Annotated[int, AtLeast(1)] = 32
    words: Annotated[int, AtLeast(0)] = WordVectors.words
    pattern: Annotated[str, Regex()] = WordVectors.pattern

    side: ClassVar[Side] = "text"

    def fit(self, items: Any, progress: Progress | None = None) -> Self:
        texts = texts_of(self.paper_name(), items)
        self.vectors_ = WordVectors(file=self.file, words=self.words, pattern=self.pattern).fit(texts)
        self.length_ = max(1, *map(len, self._rows(texts, self.length)))
        return self

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        sequences = self._rows(texts_of(self.paper_name(), items), self.length_)
        lengths = np.array([len(rows) for rows in sequences], dtype=np.int64)
        made = np.zeros((len(sequences), self.length_, self.vectors_.vectors_.shape[1]), dtype=np.float32)
        rows = np.array([row for sequence in sequences for row in sequence], dtype=np.int64)
        made[np.arange(self.length_) < lengths[:, None]] = self.vectors_.vectors_[rows]
        return made

    def _rows(self, texts: list[str], length: int) -> list[list[int]]:
        """The rows in `vectors_` of the first so many known words of each text."""
        # A vector of zeros could not be told from padding, so that a word that has one is not known.
        known = np.linalg.norm(self.vectors_.vectors_, axis=1) > 0
        row_of = {word: row for row, word in enumerate(self.vectors_.bag_.vocabulary_) if known[row]}
        found = ([row_of[word] for word in re.findall(self.pattern, text.lower()) if word in row_of] for text in texts)
        return [rows[:length] for rows in found]
