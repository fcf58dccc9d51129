"""Layers that see an item among its neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych.kinds import Array
from diptych.parts import sequences


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
        rows = functional.normalize(rows, dim=1)
        near = rows @ self.rows.T
        near = near.masked_fill(near > 1 - 1e-6, -1.0)
        graph = torch.cat([rows[:, None], self.rows[near.topk(self.neighbours, dim=1).indices]], dim=1)
        edges = graph @ graph.mT
        edges = edges * (edges >= self.threshold) * (edges > 0)
        edges = edges - torch.diag_embed(edges.diagonal(dim1=1, dim2=2)) + torch.eye(graph.shape[1], device=rows.device)
        scale = edges.sum(dim=2).rsqrt()
        weights = edges[:, 0] * scale[:, :1] * scale
        mixed: Tensor = (weights[:, None] @ graph)[:, 0]
        return mixed


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


class Reasoning(nn.Module):
    """(b, dims) of tokens (b, t, width): the last state of a GRU that reads what nodes of an `Affinity` graph became.

    Tokens are as in `sequences.tokens`, standardised over a batch. In training the nodes follow: (b, 1 + t, dims).
    """

    def __init__(self, width: int, dims: int, layers: int, dropout: float = 0.0) -> None:
        super().__init__()
        centred = nn.BatchNorm1d(width, affine=False)
        self.nodes = nn.Sequential(centred, nn.Linear(width, dims), nn.Dropout(dropout))
        self.graph = Affinity(dims, layers)
        self.whole = sequences.Recurrent(dims, dims, dims, both=False)
        self.centred = nn.BatchNorm1d(dims, affine=False)

    def forward(self, rows: Tensor) -> Tensor:
        read, real = sequences.tokens(rows)
        nodes = read.new_zeros(*real.shape, self.graph.dims)
        nodes[real] = self.nodes(read[real])
        nodes = self.graph(nodes)
        whole: Tensor = self.centred(self.whole(nodes))
        return torch.cat([whole[:, None], nodes], dim=1) if self.training else whole
