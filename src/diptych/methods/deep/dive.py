"""Set-based embeddings that stay diverse (DivE: Kim, Kim & Kwak, "Improving cross-modal retrieval with set of diverse
embeddings", CVPR 2023).

An item is a set of k rows, found by slots that compete for its tokens: a softmax over slots says which slot reads a
token, a slot takes the weighted mean of what it reads. To each row the item as a whole is added, its global part: the
mean of its regions, or where a GRU that reads its words both ways ends. Sets are compared by the smooth Chamfer
similarity

    s = 1 / (2 alpha |S_1|) sum_{x in S_1} log sum_{y in S_2} exp(alpha cos(x, y))  +  the same from S_2

    loss   hardest triplets of s   +  mmd: discrepancy of the r of both sides  +  spread: mean exp(-2 ||r - r'||^2)

r the rows of a set without its global part, so that of sets of one row the last two say nothing. Released code takes
the discrepancy of whole rows: here that drew all items together faster than hardest triplets part them, .20 and .30 of
R@10 on Flickr8k against .62 and .54. Items are feature rows, each a set of one token, or (n, tokens, d) with rows of
zeros as padding.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import Array, Sets
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast, Below

ALPHA = 16.0


class SmoothChamfer(Sets):
    """Sets as `Sets` keeps them, compared by the smooth Chamfer similarity."""

    def score(self, queries: Array, items: Array) -> Array:
        return parts.tokens.by_blocks(lambda query, items, real: chamfer(query, items), queries, items)


@dataclass
class DivE(Descent):
    """slots are the rows of a set, rounds how often they compete; discrepancy and spread weigh the last two terms."""

    space = SmoothChamfer()
    slots: Annotated[int, AtLeast(1)] = 4
    rounds: Annotated[int, AtLeast(1)] = 4
    hidden: Annotated[int, AtLeast(1)] = 1024
    dims: Annotated[int, AtLeast(1)] = 128
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.2
    margin: Annotated[float, AtLeast(0)] = 0.2
    discrepancy: Annotated[float, AtLeast(0)] = 0.01
    gamma: Annotated[float, Above(0)] = 0.5
    spread: Annotated[float, AtLeast(0)] = 0.01
    batch: Annotated[int, AtLeast(3)] = 200
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        image_width, text_width = parts.heads.widths(facts)
        settings = (self.hidden, self.dims, self.slots, self.rounds, self.dropout)
        return parts.heads.Network(
            parts.heads.SetHead(image_width, *settings), parts.heads.SetHead(text_width, *settings, read=True)
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        unit = parts.heads.UnitLength()
        own = parts.targets.same_picture(batch.owner)
        near = chamfer(unit(images), unit(texts))
        # What is the same in all rows of a set, its global part, falls out of their differences to the mean.
        rest = [unit(side - side.mean(dim=1, keepdim=True)) for side in (images, texts)]
        crowded = sum((-2 * parts.losses.squared_distances(rows, rows)).exp().mean() for rows in rest)
        return {
            "triplets": parts.losses.hardest_triplets(near, own, self.margin),
            "discrepancy": self.discrepancy
            * parts.losses.discrepancy(rest[0].flatten(0, 1), rest[1].flatten(0, 1), self.gamma),
            "spread": self.spread * crowded,
        }


def chamfer(u: Any, v: Any) -> Any:
    """(n, m) smooth Chamfer similarities of sets of unit rows, (n, k, d) against (m, k, d)."""
    import torch

    near = (ALPHA * torch.einsum("nkd,mld->nmkl", u, v)).exp()  # of cosines: it stays far from what a float can hold
    return (near.sum(dim=3).log().mean(dim=2) + near.sum(dim=2).log().mean(dim=2)) / (2 * ALPHA)
