"""Transformer encoder reasoning and alignment network (TERAN: Messina, Amato, Esuli, Falchi, Gennaro &
Marchand-Maillet, "Fine-grained visual textual alignment for cross-modal retrieval using transformer encoders", ACM TOMM
2021).

A transformer for each side turns regions and words into tokens of one space. A picture and a text are as near as

    s = mean over words w of  max over regions r of  cos(r, w)        ("MrSw")

    loss   triplets of s: all negatives of a batch at first, then the hardest alone (so begins VSE-infinity, Chen et al.
           2021, too: from the start, the hardest would draw all tokens to one point where nothing is pretrained)

A transformer never sees the other side, so tokens are stored. The paper adds over words; the mean ranks pictures for a
text alike and does not prefer long texts for a picture. Features stand for Faster R-CNN's regions and for BERT.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import Array, Space, cosine
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast, Below

REGION, WORD = 0.0, 1.0


class WordsAsk(Space):
    """Sets of unit tokens, each followed by what it is, WORD or REGION: words ask regions, whoever is the query.

    Where both are of one side, the query's tokens ask.
    """

    name = "sets"

    def normalise(self, outputs: Any) -> Array:
        return np.concatenate([cosine.normalise(outputs[..., :-1]), np.float32(outputs[..., -1:])], axis=-1)

    def score(self, queries: Array, items: Array) -> Array:
        items_ask = bool((items[..., -1] == WORD).any() and not (queries[..., -1] == WORD).any())

        def near(query: Any, items: Any, real: Any) -> Any:
            return parts.tokens.best_matches(query, items, real)[items_ask]

        return parts.tokens.by_blocks(near, queries[..., :-1], items[..., :-1])


@dataclass
class TERAN(Descent):
    """hidden is the width of the layers between attentions, heads share the dims among them. Without layers no token
    hears another.

    gentle is the share of the training in which all negatives count.
    """

    space = WordsAsk()
    hidden: Annotated[int, AtLeast(1)] = 128
    dims: Annotated[int, AtLeast(1)] = 128
    heads: Annotated[int, AtLeast(1)] = 4
    layers: Annotated[int, AtLeast(0)] = 1
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.1
    margin: Annotated[float, AtLeast(0)] = 0.2
    gentle: Annotated[float, AtLeast(0)] = 0.3
    epochs: int = 10
    batch: Annotated[int, AtLeast(3)] = 128

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def side(width: int, mark: float) -> Any:
            reader = parts.sequences.Tokens(width, self.hidden, self.dims, self.heads, self.layers, self.dropout)
            # Below zero it crops: the token of the whole goes, the mark comes.
            return nn.Sequential(reader, nn.ConstantPad2d((0, 1, -1, 0), mark))

        image_width, text_width = parts.heads.widths(facts)
        return parts.heads.Network(side(image_width, REGION), side(text_width, WORD))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        unit, own = parts.heads.UnitLength(), parts.targets.same_picture(batch.owner)
        near = parts.tokens.best_matches(unit(images[..., :-1]), unit(texts[..., :-1]))[1]
        triplets = parts.losses.all_triplets if batch.done < self.gentle else parts.losses.hardest_triplets
        return {"triplets": triplets(near, own, self.margin)}
