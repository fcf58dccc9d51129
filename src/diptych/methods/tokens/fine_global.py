"""Alignment of wholes and of tokens together (TGDT: Liu, Zhang, Wang, Chen, Wang, Huang, Shen & Wang, "Efficient
token-guided image-text retrieval with consistent multimodal contrastive training", IEEE TIP 2023).

A transformer for each side gives the item as a whole, g, and its tokens. Two similarities:

    coarse   C_it = cos(g_i, g_t)
    fine     F_it = 1/2 [mean over regions of the best cosine with a word  +  mean over words of that with a region]

    loss     contrastive of C  +  fine * contrastive of F
             +  consistency * mean_i max_j [ |cos(x_i, x_j) - cos(y_i, y_j)| - slack ]_+

x and y the wholes of pictures and of texts: two pictures are to be as near as their texts are. Contrastive is a softmax
over the batch with a learned temperature; the paper has the hinge of the hardest negative, which makes all tokens one
where nothing is pretrained. The paper ranks by C and re-ranks the best by C and F, and its F asks from words alone;
here all are ranked by the mean of both. Its wholes come from layers on top of tokens that stand still.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import Array, Sets, cosine
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast, Below


class WholeAndTokens(Sets):
    """Sets as `Sets` keeps them, the first token being the whole: the mean of coarse and fine similarity."""

    def score(self, queries: Array, items: Array) -> Array:
        fine = parts.tokens.by_blocks(mutual, queries[:, 1:], items[:, 1:])
        return np.asarray((cosine.score(queries[:, 0], items[:, 0]) + fine) / 2)


@dataclass
class FineGlobal(Descent):
    """fine and consistency weigh terms; temperature is where the learned ones start; the rest is as in `teran`."""

    space = WholeAndTokens()
    hidden: Annotated[int, AtLeast(1)] = 128
    dims: Annotated[int, AtLeast(1)] = 128
    heads: Annotated[int, AtLeast(1)] = 4
    layers: Annotated[int, AtLeast(1)] = 1
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.1
    temperature: Annotated[float, AtLeast(0.01)] = 0.07
    fine: Annotated[float, AtLeast(0)] = 1.0
    consistency: Annotated[float, AtLeast(0)] = 0.1
    slack: Annotated[float, AtLeast(0)] = 0.3
    epochs: int = 8
    batch: Annotated[int, AtLeast(3)] = 128

    def network(self, facts: dict[str, Any]) -> Any:
        settings = (self.hidden, self.dims, self.heads, self.layers, self.dropout)
        images, texts = (parts.sequences.Tokens(width, *settings) for width in parts.heads.widths(facts))
        temperatures = {name: parts.heads.Temperature(self.temperature) for name in ("coarse", "fine")}
        return parts.heads.Network(images, texts, **temperatures)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        unit, own = parts.heads.UnitLength(), parts.targets.same_picture(batch.owner)
        images, texts = unit(images), unit(texts)
        x, y = images[:, 0], texts[:, 0]
        coarse, fine = x @ y.T, mutual(images[:, 1:], texts[:, 1:])
        apart = ((x @ x.T - y @ y.T).abs().amax(dim=1) - self.slack).clamp(min=0)
        return {
            "coarse": parts.losses.contrastive(net.coarse(coarse), own),
            "fine": self.fine * parts.losses.contrastive(net.fine(fine), own),
            "consistency": self.consistency * apart.mean(),
        }


def mutual(u: Any, v: Any, real: Any = None) -> Any:
    """(n, m) means of how near sets are by what either asks, (n, k, d) against (m, l, d)."""
    return sum(parts.tokens.best_matches(u, v, real)) / 2
