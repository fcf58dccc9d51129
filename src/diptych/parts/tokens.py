"""How near items are to each other that are sets of tokens: (n, t, d) of length 1, with rows of zeros as padding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from diptych.kinds import Array

BLOCK = 1 << 16
"""Pairs of tokens compared at a time: they stay in the cache of a processor."""


def best_matches(u: Tensor, v: Tensor, real: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(n, m) mean over the tokens of a set of u of their best inner product with a token of one of v; and of v with u.

    Late interaction (ColBERT: Khattab & Zaharia 2020), u (n, k, d) and v (m, l, d). As `kinds.Sets` has it, -1 against
    a set without tokens, else 0 for one without.

    real   (m, l) which of v are tokens, where that is known
    """
    in_u, in_v = is_token(u)[:, None], (is_token(v) if real is None else real)[None]
    near = torch.einsum("nkd,mld->nmkl", u, v)
    by_u = near.masked_fill(~in_v[:, :, None, :], -1).amax(dim=3)
    by_v = near.masked_fill(~in_u[:, :, :, None], -1).amax(dim=2)
    found = [(best * asks).sum(dim=2) / asks.sum(dim=2).clamp(min=1) for best, asks in ((by_u, in_u), (by_v, in_v))]
    return found[0], found[1]


def is_token(tokens: Tensor) -> Tensor:
    """(..., t) which rows are not padding."""
    return (tokens != 0).any(dim=-1)


def attention(asking: Tensor, offered: Tensor, sharpness: float) -> Tensor:
    """(..., k, l) softmax_l of sharpness * <a_k, o_l>: how tokens (..., k, d) share their attention among (..., l, d).

    As SCAN has it (Lee et al. 2018, eq. 7). Padding is given nothing; where all is padding, it is shared equally.
    """
    near = sharpness * torch.einsum("...kd,...ld->...kl", asking, offered)
    return near.masked_fill(~is_token(offered)[..., None, :], torch.finfo(near.dtype).min).softmax(dim=-1)


def by_blocks(near: Callable[[Tensor, Tensor, Tensor], Tensor], queries: Array, items: Array) -> Array:
    """(n_q, n_d) float32 of near(queries, items, which rows of items are tokens), a few queries at a time.

    The tokens of all pairs at once would fill the memory, and those of too few would not be worth the call.
    """
    stored, scores = torch.from_numpy(np.ascontiguousarray(items)), np.empty((len(queries), len(items)), np.float32)
    real = is_token(stored)
    few = max(1, BLOCK // max(1, stored.shape[:2].numel() * queries.shape[1]))
    for start in range(0, len(queries), few):
        scores[start : start + few] = near(torch.from_numpy(queries[start : start + few]), stored, real)
    return scores
