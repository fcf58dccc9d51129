"""Joint embedding of a click graph by truncated random walks (MRW-NN: Wu, Lu, Li, Yan, Zhang & Zhuang 2016).

Texts and pictures are the two sides of a graph: a text that was written of, or clicked for, several pictures is one
node with several edges. Walks of `steps` edges start at every text and turn back with probability 1/2 at every
picture they reach; where they end are the positives of the text, as often as they end there, in

    - mean_i sum_j P_ij log softmax_j (cos(u_j, v_i) / temperature)        and the same for pictures.

Texts with the same features are one node. Where no text stands beside two pictures, walks lead home, and this is
contrastive learning of pairs.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import Array, Pairs
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast, Below


@dataclass
class ClickGraph(Descent):
    """walks start at every text in every epoch, and reach a picture 1, 2, … `most` times. Towers as in `infonce`."""

    image_hidden: Annotated[int, AtLeast(0)] = 2048
    text_hidden: Annotated[int, AtLeast(0)] = 0
    dims: Annotated[int, AtLeast(1)] = 512
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.5
    temperature: Annotated[float, Above(0)] = 0.07
    walks: Annotated[int, AtLeast(1)] = 16
    most: Annotated[int, AtLeast(1)] = 4
    epochs: int = 5
    batch: int = 512
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        return parts.heads.Network(
            images=parts.heads.mlp(facts["image_width"], self.image_hidden, self.dims, dropout=self.dropout),
            texts=parts.heads.mlp(facts["text_width"], self.text_hidden, self.dims, dropout=self.dropout),
            temperature=parts.heads.Temperature(self.temperature),
        )

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        rng = np.random.default_rng([self.seed, epoch])
        self._ends = walked(query_of(train.texts), train.owner, self.walks, self.most, rng)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        import torch

        visits = self._ends[batch.index.cpu().numpy()][:, batch.owner.cpu().numpy()].toarray().T
        # A text's own picture is one edge away, and counts once where no walk of this epoch ended there.
        P = torch.as_tensor(visits, dtype=torch.float32, device=images.device)
        P = torch.maximum(P, parts.targets.same_picture(batch.owner))
        logits = net.temperature(parts.losses.cosines(images, texts))
        return {"walks": parts.losses.contrastive(logits, P)}


def query_of(texts: Any) -> Array:
    """(n,) the node of each text: texts whose features are equal are one."""
    if hasattr(texts, "tocsr"):
        starts = texts.indptr[1:-1]
        told = zip(np.split(texts.indices, starts), np.split(texts.data, starts), strict=True)
        keys = [columns.tobytes() + values.tobytes() for columns, values in told]
    else:
        keys = [np.ascontiguousarray(row).tobytes() for row in texts]
    found: dict[bytes, int] = {}
    return np.array([found.setdefault(key, len(found)) for key in keys])


def walked(node: Array, owner: Array, walks: int, most: int, rng: np.random.Generator) -> Any:
    """(texts, pictures) sparse: how many of a text's walks end at a picture.

    A walk goes to a picture of the text's node and ends there with probability 1/2, or else goes on to a node of that
    picture, until it has reached `most` pictures. Every edge of a node is as likely as the others.
    """
    from scipy.sparse import csr_matrix

    texts = np.repeat(np.arange(len(node)), walks)
    at = node[texts]
    of_node, of_picture = Edges(node, owner), Edges(owner, node)
    walking = np.ones(len(texts), dtype=bool)
    ends = np.zeros(len(texts), dtype=np.int64)
    for step in range(most):
        ends[walking] = of_node.follow(at[walking], rng)
        walking &= rng.random(len(texts)) < (0.5 if step < most - 1 else 0.0)
        at[walking] = of_picture.follow(ends[walking], rng)
    return csr_matrix((np.ones(len(texts)), (texts, ends)), shape=(len(node), owner.max() + 1))


class Edges:
    """Edges from nodes of one side to nodes of the other."""

    def __init__(self, start: Array, end: Array) -> None:
        order = np.argsort(start, kind="stable")
        self.end, self.first = end[order], np.searchsorted(start[order], np.arange(start.max() + 2))

    def follow(self, nodes: Array, rng: np.random.Generator) -> Array:
        """One edge of each node, drawn evenly."""
        degree = self.first[nodes + 1] - self.first[nodes]
        end: Array = self.end[self.first[nodes] + (rng.random(len(nodes)) * degree).astype(np.int64)]
        return end
