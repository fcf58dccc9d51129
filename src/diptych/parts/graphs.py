"""Layers that see an item among its neighbours."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from diptych.kinds import Array


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
