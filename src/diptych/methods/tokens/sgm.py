"""Scene graph matching (SGM: Wang, Wang, Yao, Shan & Chen, "Cross-modal scene graph matching for relationship-aware
image-text retrieval", WACV 2020).

A picture and a text are graphs of things and of the relations that they stand in. They are as near as

    S = S_things + relations * S_relations

each the mean over nodes of the text of the best cosine with a node of the picture.

    loss   triplets of S: all negatives of a batch at first, then the hardest alone, as in `teran`

The paper parses captions (SPICE), and a detector and MotifNet name the things and predicates of a picture. Here nothing
is parsed. Of a text every word is a thing, as a GRU reads it both ways, and every three consecutive words a relation,
which another GRU reads. Of a picture every region is a thing, and its relation is read from it and from what it stands
among: the mean of the other regions, those most like it counting most. No predicate has features of its own.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np

from diptych import parts
from diptych.kinds import Array
from diptych.method import Batch, Descent
from diptych.methods.tokens.teran import REGION, WORD, WordsAsk
from diptych.parts.fitted import AtLeast, Below

SHARPNESS = 9.0
"""Of attention between nodes of length 1, as SCAN (Lee et al. 2018) has it."""


class ThingsAndRelations(WordsAsk):
    """Things and relations side by side, each compared as `WordsAsk` compares tokens: the sum of both, as weighed."""

    def __init__(self, relations: float = 1.0) -> None:
        self.relations = relations

    def __get__(self, method: Any, kind: type | None = None) -> Self:
        return self if method is None else type(self)(method.relations)

    def normalise(self, outputs: Any) -> Array:
        things, relations = map(super().normalise, levels(outputs))
        return np.concatenate([things[..., :-1], relations], axis=-1)

    def score(self, queries: Array, items: Array) -> Array:
        things, relations = map(super().score, levels(queries), levels(items))
        return things + np.float32(self.relations) * relations


@dataclass
class SGM(Descent):
    """relations weighs the relations in S; gentle is the share of the training in which all negatives count.

    Unless words are read, things are words that know of no other: then relations alone tell what stands with what.
    """

    space = ThingsAndRelations()
    dims: Annotated[int, AtLeast(1)] = 128
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.1
    margin: Annotated[float, AtLeast(0)] = 0.2
    relations: Annotated[float, AtLeast(0)] = 1.0
    read: bool = True
    gentle: Annotated[float, AtLeast(0)] = 0.3
    epochs: int = 10
    batch: Annotated[int, AtLeast(3)] = 128

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        image_width, text_width = parts.heads.widths(facts)
        read = parts.sequences.Reader(self.dims, self.dims, self.dims) if self.read else nn.Identity()
        regions = parts.graphs.SceneGraph(image_width, self.dims, nn.Identity(), surroundings, self.dropout)
        words = parts.graphs.SceneGraph(text_width, self.dims, read, triplets, self.dropout)
        marked = [
            nn.Sequential(graph, *self.afterwards(), nn.ConstantPad1d((0, 1), mark))
            for graph, mark in ((regions, REGION), (words, WORD))
        ]
        return parts.heads.Network(*marked)

    def afterwards(self) -> list[Any]:
        """Layers on top of the scene graph of a side."""
        return []

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        unit, own = parts.heads.UnitLength(), parts.targets.same_picture(batch.owner)
        sides = (unit(side[..., :-1].unflatten(-1, (2, -1))).unbind(-2) for side in (images, texts))
        things, relations = (parts.tokens.best_matches(*level)[1] for level in zip(*sides, strict=True))
        hinge = parts.losses.all_triplets if batch.done < self.gentle else parts.losses.hardest_triplets
        return {"triplets": hinge(things + self.relations * relations, own, self.margin)}


def levels(tokens: Array) -> list[Array]:
    """Things, and relations, (n, t, d + 1) each with the mark behind, of tokens (n, t, 2 d + 1)."""
    return [np.concatenate([level, tokens[..., -1:]], axis=-1) for level in np.split(tokens[..., :-1], 2, axis=-1)]


def triplets(nodes: Any) -> Any:
    """(b, t, 3, d) each node (b, t, d) between its neighbours in the row; zeros beyond the ends."""
    from torch.nn import functional

    return functional.pad(nodes, (0, 0, 1, 1)).unfold(1, 3, 1).mT


def surroundings(nodes: Any) -> Any:
    """(b, t, 2, d) each node (b, t, d), and the mean of the others by how like it they are; alone, itself."""
    import torch

    unit = parts.heads.UnitLength()(nodes)
    own = torch.eye(nodes.shape[1], dtype=torch.bool, device=nodes.device)
    near = (SHARPNESS * unit @ unit.mT).masked_fill(own, -1e4)  # below all others, above padding
    near = near.masked_fill(~parts.tokens.is_token(nodes)[:, None], -1e9)
    return torch.stack([nodes, near.softmax(dim=2) @ nodes], dim=2)
