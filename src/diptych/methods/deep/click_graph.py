"""Neural networks for random walks on a click graph (MRW-NN: Wu, Lu, Song, Yan, Zhang, Rui & Zhuang, "Learning of
multimodal representations with random walks on the click graph", IEEE TIP 2016).

Vertices are pictures i and queries q, an edge is the clicks on a picture for a query. Each has a place phi, and walks
along clicks tell which of them are near:

    min  - mean log softmax_b(phi(a)'phi(b))  over vertices a, b no more than `window` apart on a walk
         + agreement (||phi(i) - f(x_i)||^2 + ||phi(q) - g(y_q)||^2)

so that the networks f and g put new pictures and queries where walks would have put them.

Simplified: there is no log of clicks, so queries are words: a word of a text is a query for which its picture was
clicked, as often as the row of the text weighs it. A text is a query of many words, whose place is the sum of theirs,
weighed likewise. Rows of texts have length 1.

A softmax over all vertices would cost as many products; here it goes over what the other walks of the batch pass at
the same step, from both a and b. The least is then at phi(a)'phi(b) = log p(a, b) / p(a) p(b), but for a constant.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import BadInput, Pairs
from diptych.method import Batch, Descent, featured
from diptych.parts.fitted import Above, AtLeast, Below


@dataclass
class ClickGraph(Descent):
    """`walks` of `length` edges start at the picture of every text in every epoch. Towers as in `infonce`."""

    image_hidden: Annotated[int, AtLeast(0)] = 2048
    text_hidden: Annotated[int, AtLeast(0)] = 0
    dims: Annotated[int, AtLeast(1)] = 128
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.2
    walks: Annotated[int, AtLeast(1)] = 2
    length: Annotated[int, AtLeast(1)] = 4
    window: Annotated[int, AtLeast(1)] = 2
    agreement: Annotated[float, Above(0)] = 0.02
    rate: float = 1e-2

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        image_width, text_width = parts.heads.widths(facts)
        vertices = nn.Embedding(facts["images"] + text_width, self.dims)
        nn.init.normal_(vertices.weight, std=0.1)  # no larger: where a vertex starts is noise to the networks
        return parts.heads.Network(
            images=parts.heads.mlp(image_width, self.image_hidden, self.dims, dropout=self.dropout),
            texts=parts.heads.mlp(text_width, self.text_hidden, self.dims, dropout=self.dropout),
            vertices=vertices,
            memory=parts.memory.Tables(walks=(facts["texts"], self.walks, self.length + 1)),
        )

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        import torch

        starts = np.repeat(train.owner, self.walks)
        walks = clicks(train).walks(starts, self.length, np.random.default_rng([self.seed, epoch]))
        net.memory.walks.copy_(torch.from_numpy(walks).view_as(net.memory.walks))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        import torch

        walks = net.vertices(net.memory.walks[batch.index].flatten(0, 1).long())
        own = torch.eye(len(walks), dtype=walks.dtype, device=walks.device)
        near = [
            parts.losses.contrastive(walks[:, step] @ walks[:, step + apart].T, own)
            for apart in range(1, self.window + 1)
            for step in range(self.length + 1 - apart)
        ]
        words = net.vertices.weight[-batch.texts.shape[1] :]
        places = net.vertices(batch.owner), parts.heads.UnitLength()(batch.texts) @ words
        missed = sum(parts.losses.reconstruction(*pair) for pair in zip((images, texts), places, strict=True))
        return {"walks": sum(near) / len(near), "agreement": self.agreement * missed}


def clicks(pairs: Pairs) -> Any:
    """The click graph: vertices are pictures, then words. Raises BadInput where a feature of texts is below 0."""
    from scipy.sparse import coo_array

    rows = coo_array(featured(pairs.texts, "texts"))
    if rows.data.min(initial=0) < 0:
        raise BadInput("click_graph walks along the words of texts, and features below 0 are no words; use tfidf")
    rows.eliminate_zeros()
    n = pairs.n_images
    return parts.walks.Graph(pairs.owner[rows.row], n + rows.col, rows.data, n + rows.shape[1])
