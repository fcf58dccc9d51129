"""Layers that see an item among its neighbours."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych.kinds import Array
from diptych.parts import heads, sequences, tokens


class Neighbourhood(nn.Module):
    """Each row among its k nearest of a bank of rows: its row of D^{-1/2} (A + I) D^{-1/2} X (Kipf & Welling 2017).

    X is the row and its neighbours, each of length 1; A their cosines, 0 where below `threshold` and for a row with
    itself. A bank row equal to the row asked about is no neighbour of it. `remember` fills the bank, (n, width).
    """

    rows: Tensor

    def __init__(self, n: int, width: int, neighbours: int, threshold: float) -> None:
        super().__init__()
        self.neighbours, self.threshold = min(neighbours, n), threshold
        self.register_buffer("rows", torch.zeros(n, width))

    def remember(self, rows: Array) -> None:
        self.rows.copy_(functional.normalize(torch.from_numpy(rows), dim=1))

    def forward(self, rows: Tensor) -> Tensor:
        with torch.autocast(rows.device.type, enabled=False):  # whether a row is the same is not told in half precision
            return self._mixed(functional.normalize(heads.one_row_each(rows), dim=1))

    def _mixed(self, rows: Tensor) -> Tensor:
        near = rows @ self.rows.T
        near = near.masked_fill(near > 1 - 1e-4, -2.0)  # rounding alone may take 1e-5 off the cosine of equal rows
        nearest = near.topk(self.neighbours, dim=1)
        graph = torch.cat([rows[:, None], self.rows[nearest.indices]], dim=1)
        there = functional.pad(nearest.values > -1.5, (1, 0), value=True)  # itself is not, where the bank has too few
        edges = graph @ graph.mT
        edges = edges * (edges >= self.threshold) * (edges > 0) * (there[:, :, None] & there[:, None])
        edges = edges - torch.diag_embed(edges.diagonal(dim1=1, dim2=2)) + torch.eye(graph.shape[1], device=rows.device)
        scale = edges.sum(dim=2).rsqrt()
        weights = edges[:, 0] * scale[:, :1] * scale
        mixed: Tensor = (weights[:, None] @ graph)[:, 0]
        return mixed


class Convolution(nn.Module):
    """What neighbours tell each node: D^{-1/2} S D^{-1/2} X W (Kipf & Welling 2017).

    Nodes X (n, width), edges S (n, n) none below zero; normalised over the batch, then cut at zero: (n, dims).
    """

    def __init__(self, width: int, dims: int) -> None:
        super().__init__()
        self.W = nn.Linear(width, dims, bias=False)
        self.after = nn.Sequential(nn.BatchNorm1d(dims), nn.ReLU())

    def forward(self, nodes: Tensor, edges: Tensor) -> Tensor:
        scale = edges.sum(dim=1).clamp(min=1e-6).rsqrt()
        told: Tensor = self.after((scale[:, None] * edges * scale) @ self.W(nodes))
        return told


class PairGraph(nn.Module):
    """Pictures and texts of a batch of pairs as nodes of three graphs: of each side, and of both.

    edges (b, b) join pairs that are alike, on either side and, in the graph of both, a picture with its text beside
    them. Rows come in scaled to length 1. Gives what the nodes are told: pictures by pictures, texts by texts, pictures
    by both, texts by both; each (b, dims).
    """

    def __init__(self, image_width: int, text_width: int, hidden: int, dims: int) -> None:
        super().__init__()
        self.read = nn.ModuleList(
            nn.Sequential(heads.OneRow(), nn.Linear(width, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU())
            for width in (image_width, text_width)
        )
        self.own = nn.ModuleList(Convolution(hidden, dims) for _ in range(2))
        self.both = Convolution(hidden, dims)

    def forward(self, images: Tensor, texts: Tensor, edges: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        sides = [functional.normalize(read(rows)) for read, rows in zip(self.read, (images, texts), strict=True)]
        told = [own(side, edges) for own, side in zip(self.own, sides, strict=True)]
        partner = torch.eye(len(edges), device=edges.device)
        table = torch.cat([torch.cat([edges, partner], dim=1), torch.cat([partner, edges], dim=1)])
        of_images, of_texts = self.both(torch.cat(sides), table).chunk(2)
        return told[0], told[1], of_images, of_texts


class Affinity(nn.Module):
    """Nodes (b, t, dims) that hear each other along the edges of a complete graph; rows of zeros are no nodes.

    v_i <- v_i + W mean_j (theta u_i)' (phi u_j) g u_j,  u_i = v_i / ||v_i||,  as often as there are layers (VSRN: Li,
    Zhang, Li, Li & Fu, ICCV 2019, section 3.2).
    """

    def __init__(self, dims: int, layers: int) -> None:
        super().__init__()
        self.dims = dims
        maps = (nn.ModuleList(nn.Linear(dims, dims, bias=False) for _ in range(layers)) for _ in range(4))
        self.theta, self.phi, self.g, self.W = maps

    def forward(self, nodes: Tensor) -> Tensor:
        number = (nodes != 0).any(dim=2).sum(dim=1).clamp(min=1)[:, None, None]
        for theta, phi, g, W in zip(self.theta, self.phi, self.g, self.W, strict=True):
            heard = functional.normalize(nodes, dim=2)
            nodes = nodes + W(theta(heard) @ (phi(heard).mT @ g(heard)) / number)
        return nodes


class Nodes(nn.Sequential):
    """(b, t, dims) a linear map of each of the `sequences.tokens`, standardised over those of a batch.

    Rows of zeros as padding behind.
    """

    def __init__(self, width: int, dims: int, dropout: float = 0.0) -> None:
        super().__init__(nn.BatchNorm1d(width, affine=False), nn.Linear(width, dims), nn.Dropout(dropout))
        self.dims = dims

    def forward(self, rows: Tensor) -> Tensor:
        read, real = sequences.tokens(rows)
        nodes = read.new_zeros(*real.shape, self.dims)
        made = read[real]
        for layer in self:
            made = layer(made)
        nodes[real] = made.to(nodes)
        return nodes


class KernelConvolution(nn.Module):
    """What a node's neighbours tell it, each kernel listening to another distance: (..., t, kernels * maps).

        x'_i = ||_k  W_k sum_j e_ij p_k(j - i) x_j  +  b

    x (..., t, width) nodes in a row, e (..., t, t) how much they listen to each other. p_k is the share of kernel k
    among all kernels, which are Gaussians of how many places j stands behind i, mean and width learned (mixture model
    network: Monti, Boscaini, Masci, Rodolà, Svoboda & Bronstein, CVPR 2017).
    """

    def __init__(self, width: int, kernels: int, maps: int) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.linspace(-3, 3, kernels))
        self.widths = nn.Parameter(torch.ones(kernels))
        self.W = nn.Linear(width, kernels * maps, bias=False)
        self.b = nn.Parameter(torch.zeros(kernels * maps))

    def forward(self, nodes: Tensor, edges: Tensor) -> Tensor:
        place = torch.arange(nodes.shape[-2], device=nodes.device)
        away = ((place - place[:, None])[:, :, None] - self.means) / self.widths.abs().clamp(min=1e-3)
        kernels = edges[..., None] * (-away.square() / 2).softmax(dim=2)
        told = self.W(nodes).unflatten(-1, (len(self.means), -1))
        return torch.einsum("...ijk,...jkc->...ikc", kernels, told).flatten(-2) + self.b


class SceneGraph(nn.Module):
    """Each of t nodes as a thing, and beside it the relation that it stands in: (b, t, 2 dims), zeros as padding.

    things       a module that turns nodes (b, t, dims) into things (b, t, dims)
    neighbours   of nodes, (b, t, n, dims): the few of each that tell its relation, which a GRU reads both ways
    """

    def __init__(
        self, width: int, dims: int, things: nn.Module, neighbours: Callable[[Tensor], Tensor], dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.nodes, self.things, self.neighbours = Nodes(width, dims, dropout), things, neighbours
        self.relations = sequences.Recurrent(dims, dims, dims)

    def forward(self, rows: Tensor) -> Tensor:
        nodes = self.nodes(rows)
        real = tokens.is_token(nodes)
        relations = torch.zeros_like(nodes)
        relations[real] = self.relations(self.neighbours(nodes)[real]).to(nodes)
        return torch.cat([self.things(nodes), relations], dim=2)


class Interaction(nn.Module):
    """Both levels of a `SceneGraph` (b, t, 2 dims) hear each other: attention of one to the other, within an item.

    o_i <- o_i + A sum_j a_ij r_j,  a_i = softmax_j(sharpness cos(o_i, r_j)),  and r_j <- r_j + B ... likewise
    """

    def __init__(self, dims: int, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness
        self.maps = nn.ModuleList(nn.Linear(dims, dims, bias=False) for _ in range(2))

    def forward(self, levels: Tensor) -> Tensor:
        things, relations = levels.chunk(2, dim=2)
        told = []
        for listen, own, other in zip(self.maps, (things, relations), (relations, things), strict=True):
            near = tokens.attention(
                functional.normalize(own, dim=2), functional.normalize(other, dim=2), self.sharpness
            )
            told.append(listen(near @ other))
        return levels + torch.cat(told, dim=2) * tokens.is_token(levels)[:, :, None]


class Reasoning(nn.Module):
    """(b, dims) of tokens (b, t, width): the last state of a GRU that reads what nodes of an `Affinity` graph became.

    Tokens are as in `sequences.tokens`, standardised over a batch. In training the nodes follow: (b, 1 + t, dims).
    """

    def __init__(self, width: int, dims: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.nodes = Nodes(width, dims, dropout)
        self.graph = Affinity(dims, layers)
        self.whole = sequences.Recurrent(dims, dims, dims, both=False)
        self.centred = nn.BatchNorm1d(dims, affine=False)

    def forward(self, rows: Tensor) -> Tensor:
        nodes = self.graph(self.nodes(rows))
        whole: Tensor = self.centred(self.whole(nodes))
        return torch.cat([whole[:, None], nodes], dim=1) if self.training else whole
