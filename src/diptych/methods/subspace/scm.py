"""Semantic correlation matching (Rasiwasia, Costa Pereira, Coviello, Doyle, Lanckriet et al., ACM MM 2010).

Semantic matching on the coordinates of correlation matching: canonical directions first, class probabilities on top of
them. Not to be confused with the hashing method of the same initials (Zhang & Li 2014).
"""

from dataclasses import dataclass
from typing import Annotated, Any, Self

from diptych.kinds import Array, Pairs
from diptych.method import Method
from diptych.methods.subspace.cm import CM
from diptych.methods.subspace.sm import SM
from diptych.parts.fitted import Above, AtLeast


@dataclass
class SCM(Method):
    """dims, ridge as in `CM`; strength, centre as in `SM`."""

    needs = "labels"
    dims: Annotated[int, AtLeast(1)] = 7
    ridge: Annotated[float, AtLeast(0)] = 0.1
    strength: Annotated[float, Above(0)] = 1.0
    centre: bool = False

    def fit(self, train: Pairs) -> Self:
        self.correlation_ = CM(self.dims, self.ridge).fit(train)
        images, texts = self.correlation_.encode_images(train.images), self.correlation_.encode_texts(train.texts)
        self.semantics_ = SM(self.strength, self.centre).fit(train.features(images, texts))
        return self

    def encode_images(self, items: Any) -> Array:
        return self.semantics_.encode_images(self.correlation_.encode_images(items))

    def encode_texts(self, items: Any) -> Array:
        return self.semantics_.encode_texts(self.correlation_.encode_texts(items))
