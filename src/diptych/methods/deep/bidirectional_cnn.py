"""Bidirectional representation learning with convolutions (He, Xiang, Kang, Wang & Pan, "Cross-modal retrieval via deep
and bidirectional representation learning", IEEE Transactions on Multimedia 2016).

    min  -mean_ij [ log sigmoid(near(x_i, y_i) - near(x_i, y_j))  +  log sigmoid(near(x_i, y_i) - near(x_j, y_i)) ]

over the unmatched of the batch, near the cosine / temperature: how likely it is that of two pairs with one item in
common the matched one is the nearer, asked from both sides. Texts are sequences of word vectors, read in windows of
several lengths (Kim 2014). The temperature is not the paper's.

Simplified: the network of the pictures, which the paper trains as well, is the one that their features come from: one
row a picture, or its cells (n, cells, d), goes on in windows of one.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast, Below, NotEmpty


@dataclass
class BidirectionalCNN(Descent):
    """windows are lengths in words; each has `maps`, as many as cells of pictures have `image_hidden`."""

    image_hidden: Annotated[int, AtLeast(1)] = 1024
    windows: Annotated[tuple[int, ...], AtLeast(1), NotEmpty()] = (1, 2, 3)
    maps: Annotated[int, AtLeast(1)] = 256
    dims: Annotated[int, AtLeast(1)] = 256
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.5
    temperature: Annotated[float, Above(0)] = 0.1
    batch: int = 128
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        image_width, text_width = parts.heads.widths(facts)
        convolutional = parts.sequences.Convolutional
        return parts.heads.Network(
            images=convolutional(image_width, self.image_hidden, self.dims, (1,), self.dropout),
            texts=convolutional(text_width, self.maps, self.dims, self.windows, self.dropout),
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        near = parts.losses.cosines(images, texts) / self.temperature
        unmatched = 1 - parts.targets.same_picture(batch.owner)
        return {"texts of a picture": matched(near, unmatched), "pictures of a text": matched(near.T, unmatched)}


def matched(near: Any, unmatched: Any) -> Any:
    """mean_{i,j} -log sigmoid(near_ii - near_ij) over unmatched_ij = 1; 0 where there are none."""
    from torch.nn.functional import softplus

    return (unmatched * softplus(near - near.diagonal()[:, None])).sum() / unmatched.sum().clamp(min=1)
