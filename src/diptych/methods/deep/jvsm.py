"""Joint visual semantic matching: pictures, texts, and queries of both, in one space (JVSM: Chen & Bazzani, "Learning
joint visual semantic matching embeddings for language-guided retrieval", ECCV 2020).

    matching   pictures x_i and texts y_i rank each other
    composed   the query f(x_r, y_i), a picture changed by words, and x_i, or y_i, rank each other

Ranking is the hinge of the hardest unmatched item of the batch. Both sides pass through one last layer, which is the
same. f keeps a share of the picture's row in each column, and adds to it, as the words say.

Simplified: pairs do not say how one picture differs from another. Here the words are a text of the picture that is
looked for, and the picture they change, x_r, is the nearest other one of the batch.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import Array, BadInput
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast, Below


@dataclass
class JVSM(Descent):
    """hidden are units of what reads texts, in each of two directions, and of f; composed weighs the terms of f."""

    image_hidden: Annotated[int, AtLeast(0)] = 1024
    hidden: Annotated[int, AtLeast(1)] = 256
    dims: Annotated[int, AtLeast(1)] = 256
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.2
    margin: Annotated[float, AtLeast(0)] = 0.2
    composed: Annotated[float, AtLeast(0)] = 0.5
    batch: Annotated[int, AtLeast(3)] = 128
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        image_width, text_width = parts.heads.widths(facts)
        shared = nn.Linear(self.dims, self.dims)

        def tower(rows: Any) -> Any:
            return nn.Sequential(rows, shared, nn.BatchNorm1d(self.dims, affine=False))

        return parts.heads.Network(
            images=tower(parts.heads.mlp(image_width, self.image_hidden, self.dims, dropout=self.dropout)),
            texts=tower(parts.sequences.Recurrent(text_width, self.hidden, self.dims, "lstm")),
            change=parts.heads.layers(2 * self.dims, self.hidden, 2 * self.dims),
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        import torch

        unit, same = parts.heads.UnitLength(), parts.targets.same_picture(batch.owner)
        nearest = parts.losses.cosines(images, images).masked_fill(same > 0, -torch.inf).argmax(dim=1)
        others = unit(images)[nearest]
        queries = changed(others, net.change(torch.cat([others, unit(texts)], dim=1)))

        def ranked(u: Any, v: Any) -> Any:
            return parts.losses.hardest_triplets(parts.losses.cosines(u, v), same, self.margin)

        return {
            "matching": ranked(images, texts),
            "composed, pictures": self.composed * ranked(queries, images),
            "composed, texts": self.composed * ranked(queries, texts),
        }

    def encode_changed(self, images: Any, texts: Any) -> Array:
        """One row for each picture changed by the words of its text, to rank pictures or texts by: n of each side."""
        import torch

        pictures, words = self.encode_images(images), self.encode_texts(texts)
        if len(pictures) != len(words):
            raise BadInput(f"{len(pictures)} images with {len(words)} texts; give each image its one text")
        made = self.outputs(self.trained().change, np.hstack([pictures, words]))
        return self.space.normalise(changed(torch.from_numpy(pictures), torch.from_numpy(made)).numpy())


def changed(pictures: Any, made: Any) -> Any:
    """sigmoid(g) pictures + a, where g and a stand side by side in what was made of pictures and words."""
    kept, added = made.chunk(2, dim=1)
    return kept.sigmoid() * pictures + added
