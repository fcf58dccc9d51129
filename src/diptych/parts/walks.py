"""Random walks over graphs, such as that of pictures and the queries they were clicked for."""

from __future__ import annotations

import numpy as np

from diptych.kinds import Array


class Graph:
    """Vertices 0 … n - 1 and weighted edges, which go both ways. Parallel edges add up.

    start, end (m,) are vertices; weight (m,) is above 0: of the edges of a vertex, one of twice the weight is taken
    twice as often. A vertex without edges is never left.
    """

    def __init__(self, start: Array, end: Array, weight: Array, n: int) -> None:
        # A loop at every vertex without edges: so each has somewhere to go.
        alone = np.setdiff1d(np.arange(n), np.concatenate([start, end]))
        leave, arrive = np.concatenate([start, end, alone]), np.concatenate([end, start, alone])
        order = np.argsort(leave, kind="stable")
        self.arrive = arrive[order]
        self.first = np.searchsorted(leave[order], np.arange(n + 1))
        weights = np.concatenate([weight, weight, np.ones(len(alone))])[order]
        self.reach = np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])

    def walks(self, starts: Array, length: int, rng: np.random.Generator) -> Array:
        """(k, length + 1) the vertices of a walk of `length` edges from each of k starts, the start among them."""
        walks = [np.asarray(starts)]
        for _ in range(length):
            first, last = self.first[walks[-1]], self.first[walks[-1] + 1]
            share = rng.random(len(starts))
            drawn = self.reach[first] + share * (self.reach[last] - self.reach[first])
            edge = np.searchsorted(self.reach, drawn, side="right") - 1
            walks.append(self.arrive[np.clip(edge, first, last - 1)])  # rounding may reach a neighbouring vertex's edge
        return np.stack(walks, axis=1)
