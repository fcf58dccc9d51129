"""Graph structured matching network (GSMN: Liu, Mao, Zhang, Xie, Wang & Zhang, "Graph structured network for image-text
matching", CVPR 2020).

Regions are the nodes of one graph, words, as a GRU reads them both ways, of another. How near they are is learned, too.
Asked by nodes u_i of one side, with c_i = sum_j softmax_j(9 <u_i, v_j>) v_j what they attend to on the other:

    node level        x_i = || over blocks b of cos(u_ib, c_ib)
    structure level   s = mean_i W_2 tanh(W_1 tanh(|| over kernels k of  W_k sum_j e_ij p_k(j - i) x_j  + b))

and S is s asked by regions plus s asked by words, each with weights of its own. e_ij = softmax_j(9 <u_i, u_j>).

    loss   contrastive of S: a softmax over the batch, whose temperature is in W_2

Every picture is matched with every text anew, which is slow. The paper has the hinge of the hardest negative, which
teaches little where nothing is pretrained. Its kernels see how boxes lie to each other, and which words a parser joins;
here p_k is the share of a kernel that sees how far apart nodes stand in the row, of cells as of words. In the released
code a node hears itself in the place of its neighbours; here it hears them, as the paper has it.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np

from diptych import parts
from diptych.kinds import Array, BadInput, Pairs, batches
from diptych.method import Batch, Descent
from diptych.methods.tokens.teran import REGION, WORD, WordsAsk
from diptych.parts.fitted import AtLeast, Below

SHARPNESS = 9.0
BLOCK = 32


class Matched(WordsAsk):
    """Tokens as `WordsAsk` keeps them, compared by what a fitted method has learned: each method's space is its own."""

    def __init__(self, method: Any = None) -> None:
        self.method = method

    def __get__(self, method: Any, kind: type | None = None) -> Self:
        return self if method is None else type(self)(method)

    def score(self, queries: Array, items: Array) -> Array:
        import torch

        asks, offers = (self.method.trained().match[int((side[..., -1] == WORD).any())] for side in (queries, items))
        device = next(asks.parameters()).device
        scores = np.empty((len(queries), len(items)), dtype=np.float32)
        with torch.no_grad():
            # By blocks that stay in the cache of a processor.
            for row, asking in enumerate(batches(torch.from_numpy(queries), BLOCK)):
                for column, offered in enumerate(batches(torch.from_numpy(items), BLOCK)):
                    near = matching(asks, offers, asking[..., :-1].to(device), offered[..., :-1].to(device))
                    scores[row * BLOCK :, column * BLOCK :][:BLOCK, :BLOCK] = near.cpu()
        return scores


@dataclass
class GSMN(Descent):
    """dims are shared among blocks; of each of the kernels there are maps. Without kernels a node hears no other.

    The last epoch is taken, unless held_out says otherwise: ranking what is held out costs as much as an epoch.
    """

    space = Matched()
    dims: Annotated[int, AtLeast(1)] = 64
    blocks: Annotated[int, AtLeast(1)] = 16
    kernels: Annotated[int, AtLeast(0)] = 4
    maps: Annotated[int, AtLeast(1)] = 8
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.1
    epochs: int = 6
    batch: Annotated[int, AtLeast(3)] = 32
    rate: float = 3e-3
    held_out: float = 0.0

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        if self.dims % self.blocks:
            raise BadInput(f"dims={self.dims} is no multiple of blocks={self.blocks}; set one that is")
        image_width, text_width = parts.heads.widths(facts)
        regions = parts.graphs.Nodes(image_width, self.dims, self.dropout)
        words = parts.graphs.Nodes(text_width, self.dims, self.dropout)
        hidden = max(1, self.kernels) * self.maps

        def match() -> Any:
            # A bias at the end would shift all scores alike, and nothing would move it.
            score = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False))
            graph = parts.graphs.KernelConvolution(self.blocks, self.kernels, self.maps)
            return nn.ModuleDict({"graph": graph, "score": score})

        return parts.heads.Network(
            nn.Sequential(regions, nn.ConstantPad1d((0, 1), REGION)),
            nn.Sequential(
                words, parts.sequences.Reader(self.dims, self.dims, self.dims), nn.ConstantPad1d((0, 1), WORD)
            ),
            match=nn.ModuleList([match(), match()]),
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        unit, own = parts.heads.UnitLength(), parts.targets.same_picture(batch.owner)
        by_regions, by_words = net.match
        near = matching(by_regions, by_words, unit(images[..., :-1]), unit(texts[..., :-1]))
        return {"matched": parts.losses.contrastive(near, own)}

    def epoch_end(self, net: Any, train: Pairs, epoch: int) -> None:
        self._net = net  # what is held out is compared by what was learned so far


def matching(u_asks: Any, v_asks: Any, u: Any, v: Any) -> Any:
    """(n, m) S of unit tokens u (n, k, d) and v (m, l, d), where modules `u_asks` and `v_asks` tell what each finds."""
    return asked(u_asks, u, v) + asked(v_asks, v, u).T


def asked(match: Any, u: Any, v: Any) -> Any:
    """(n, m) s asked by the tokens u (n, k, d) of v (m, l, d)."""
    import torch

    shape = (-1, match["graph"].W.in_features)  # columns of a block stand apart: adding them up is far faster so
    heard: Any = torch.einsum("nmkl,mld->nmkd", parts.tokens.attention(u[:, None], v[None], SHARPNESS), v)
    u_b, c_b = u.unflatten(-1, shape), heard.unflatten(-1, shape)
    norms = (u_b.square().sum(dim=-2)[:, None] * c_b.square().sum(dim=-2)).clamp(min=1e-12).sqrt()
    x = (u_b[:, None] * c_b).sum(dim=-2) / norms
    edges = parts.tokens.attention(u, u, SHARPNESS)[:, None]
    found = match["score"](match["graph"](x, edges).tanh())[..., 0]
    real = parts.tokens.is_token(u)[:, None]
    return (found * real).sum(dim=2) / real.sum(dim=2).clamp(min=1)
