"""Binary codes on their way: signs, what stands in for their gradient, and terms that make good codes of outputs.

Outputs are (n, bits) rows. A sign is never 0: sgn(0) is 1, as where codes are kept.
"""

from __future__ import annotations

from math import comb

import torch
from torch import Tensor


def signs(rows: Tensor) -> Tensor:
    """-1 and 1; without a gradient."""
    found: Tensor = torch.where(rows >= 0, 1.0, -1.0).to(rows.dtype)
    return found


def straight_through(rows: Tensor) -> Tensor:
    """-1 and 1, with the gradient of the rows themselves (Bengio, Léonard & Courville 2013)."""
    return rows + (signs(rows) - rows).detach()


def annealed(rows: Tensor, epoch: float) -> Tensor:
    """tanh(sqrt(1 + epoch) rows), ever closer to the signs (HashNet: Cao, Long, Wang & Yu, ICCV 2017)."""
    sharp: Tensor = (1 + epoch) ** 0.5 * rows
    return sharp.tanh()


def quantisation(rows: Tensor, codes: Tensor) -> Tensor:
    """mean (codes - rows)^2 over rows and bits."""
    return (codes - rows).square().mean()


def balance(rows: Tensor) -> Tensor:
    """mean_k (mean_i rows_ik)^2: 0 where every bit is as often 1 as -1."""
    return rows.mean(dim=0).square().mean()


def decorrelation(rows: Tensor) -> Tensor:
    """mean_{k != l} cov_kl^2 over the rows (DeCov: Cogswell et al., ICLR 2016, as a mean); 0 of one bit."""
    centred = rows - rows.mean(dim=0)
    covariance = centred.T @ centred / len(rows)
    bits = len(covariance)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / max(bits * (bits - 1), 1)


def packed_apart(bits: int, codes: int) -> int:
    """The greatest distance at which that many codes may all lie from each other by the Hamming bound.

    The largest d with codes * sum_{r <= (d - 1) / 2} (bits choose r) <= 2^bits; at least 1.
    """
    distance = 1
    while distance < bits and codes * sum(comb(bits, r) for r in range(distance // 2 + 1)) <= 2**bits:
        distance += 1
    return distance
