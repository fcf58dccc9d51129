"""Cross-modal graph matching network (CGMN: Cheng, Zhu, Qian, Wen & Liu, "Cross-modal graph matching network for
image-text retrieval", ACM TOMM 2022).

Regions are the nodes of one graph, words, as a GRU reads them both ways, of another. Graph layers reason within each
side, and a GRU reads the nodes in their order: its last state is the item's vector z. Nodes are matched in training
alone, vectors are searched by.

    loss   triplets of cos(z_i, z_t)  +  nodes * triplets of  mean over regions of  max over words of  cos(r, w)

over all negatives of a batch, from both sides. Both graphs are complete, weighed by affinity; the paper also has edges
of how regions overlap, and of how words depend on each other.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast, Below


@dataclass
class CGMN(Descent):
    """layers is how often nodes hear each other, if at all; nodes weighs their matching."""

    dims: Annotated[int, AtLeast(1)] = 128
    layers: Annotated[int, AtLeast(0)] = 2
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.1
    margin: Annotated[float, AtLeast(0)] = 0.2
    nodes: Annotated[float, AtLeast(0)] = 1.0
    epochs: int = 10
    batch: Annotated[int, AtLeast(3)] = 128

    def network(self, facts: dict[str, Any]) -> Any:
        image_width, text_width = parts.heads.widths(facts)
        settings = (self.dims, self.layers, self.dropout)
        return parts.heads.Network(
            parts.graphs.Reasoning(image_width, *settings), parts.graphs.Reasoning(text_width, *settings, read=True)
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        unit, own = parts.heads.UnitLength(), parts.targets.same_picture(batch.owner)
        images, texts = unit(images), unit(texts)
        wholes = images[:, 0] @ texts[:, 0].T
        nodes = parts.tokens.best_matches(images[:, 1:], texts[:, 1:])[0]
        return {
            "triplets": parts.losses.all_triplets(wholes, own, self.margin),
            "nodes": self.nodes * parts.losses.all_triplets(nodes, own, self.margin),
        }
