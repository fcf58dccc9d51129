"""The mean of the vectors of a text's words.

Pennington, Socher & Manning, "GloVe: Global vectors for word representation", EMNLP 2014; Mikolov et al., "Distributed
representations of words and phrases and their compositionality", NIPS 2013.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np

from diptych.features.bag_of_words import BagOfWords
from diptych.features.feature import Feature, Side, texts_of, with_values
from diptych.features.tfidf import inverse_document_frequency
from diptych.kinds import Array, BadInput, Progress
from diptych.parts.fitted import AtLeast, Regex


@dataclass
class WordVectors(Feature):
    r"""(n, d) float32. A text of unknown words alone is a row of zeros; one without any word raises BadInput.

    file      text lines `word value value …` as GloVe and word2vec have them (with or without a first line of counts),
              or an .npz with `words` and `vectors`; a bare name is also looked for in $DIPTYCH_DATA/pretrained. ""
              gives each word of the training texts a dimension of its own
    weight    tfidf: a word counts for (1 + log count) idf, with the idf of the training texts. mean: every occurrence
              counts the same
    words     fitting keeps the vectors of the words of the training texts, and of the first so many of the file: a
              fitted one is whole without the file
    pattern   what a word is, in lower-case text
    """

    file: str = "glove6B_50d_union.npz"
    weight: Literal["tfidf", "mean"] = "tfidf"
    words: Annotated[int, AtLeast(0)] = 20000
    pattern: Annotated[str, Regex()] = r"\b\w+\b"

    side: ClassVar[Side] = "text"

    def fit(self, items: Any, progress: Progress | None = None) -> Self:
        texts = texts_of(self.paper_name(), items)
        seen = {word for text in texts for word in re.findall(self.pattern, text.lower())}
        kept: dict[str, Array] = {}
        own = zip(sorted(seen), np.eye(len(seen), dtype=np.float32), strict=True)
        for row, (word, vector) in enumerate(self._entries() if self.file else own):
            if row < self.words or word in seen:
                kept.setdefault(word, vector)  # where case alone differs, the first is the more frequent
        if not seen & kept.keys():
            raise BadInput(f"{self.file}: none of its words stands in the {len(texts)} texts; is it of their language?")
        self.bag_ = BagOfWords(pattern=self.pattern)
        self.bag_.vocabulary_ = list(kept)
        self.vectors_ = np.array(list(kept.values()), dtype=np.float32)
        self.idf_ = inverse_document_frequency(self.bag_.transform(texts))
        return self

    def transform(self, items: Any, progress: Progress | None = None) -> Any:
        weights = self.bag_.transform(texts_of(self.paper_name(), items))
        if self.weight == "tfidf":
            weights = with_values(weights, (1 + np.log(weights.data)) * self.idf_[weights.indices])
        total = np.asarray(weights.sum(axis=1)).reshape(-1, 1)
        return np.asarray(weights @ self.vectors_ / np.maximum(total, np.float32(1e-12)), dtype=np.float32)

    def _entries(self) -> Iterator[tuple[str, Array]]:
        """Words in lower case and their vectors, in the order of the file."""
        file = self._found()
        if file.suffix == ".npz":
            try:
                with np.load(file, allow_pickle=False) as data:
                    words, vectors = data["words"], data["vectors"]
            except Exception as error:  # zip, zlib and numpy each have their own
                raise BadInput(f"{file}: not an .npz with `words` and `vectors` ({error})") from None
            yield from ((str(word).lower(), vector) for word, vector in zip(words, vectors, strict=True))
            return
        width = 0
        with open(file, encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                parts = line.rstrip().split(" ")
                if number == 1 and len(parts) == 2:
                    continue
                width = width or len(parts) - 1
                try:  # a few words of GloVe hold spaces, so the values are counted from the end
                    vector = np.array(parts[-width:], dtype=np.float32)
                except ValueError:
                    vector = np.empty(0, dtype=np.float32)
                if width < 1 or len(parts) <= width or len(vector) != width:
                    raise BadInput(f"{file}, line {number}: expected a word and {width} numbers, found {line[:60]!r}")
                yield " ".join(parts[:-width]).lower(), vector

    def _found(self) -> Path:
        data = os.environ.get("DIPTYCH_DATA")
        for place in [Path(self.file), *([Path(data, "pretrained", self.file)] if data else [])]:
            if place.is_file():
                return place
        raise BadInput(
            f"word_vectors: no {self.file}; set DIPTYCH_DATA to the folder that holds pretrained/, or give the path of "
            "a GloVe or word2vec text file with @file="
        )
