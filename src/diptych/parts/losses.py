"""Terms of objectives: pure functions of tensors that give one number.

Outputs u and v are (b, d) rows of pictures and of their texts; a target S is (b, b), as `targets` makes it.
"""

from __future__ import annotations

from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional as F


def cosines(u: Tensor, v: Tensor) -> Tensor:
    """(b, b) cosines of all rows of u with all rows of v."""
    return F.normalize(u, dim=-1) @ F.normalize(v, dim=-1).T


def contrastive(logits: Tensor, positives: Tensor) -> Tensor:
    """InfoNCE in both directions (van den Oord et al. 2018; CLIP: Radford et al. 2021).

    -1/2 mean_i mean_{j in P(i)} log softmax_j(logits_i) and the same down the columns. With one positive a row it is
    CLIP's loss; with several, each is a target of its own (outside the logarithm: Khosla et al. 2020, eq. 2).
    """
    rows = (positives * F.log_softmax(logits, dim=1)).sum(dim=1) / positives.sum(dim=1)
    columns = (positives * F.log_softmax(logits, dim=0)).sum(dim=0) / positives.sum(dim=0)
    return -(rows.mean() + columns.mean()) / 2


def pair_likelihood(theta: Tensor, S: Tensor) -> Tensor:
    """mean_ij [log(1 + exp(theta_ij)) - S_ij theta_ij]: minus the log-likelihood of S under sigmoid(theta)."""
    return (F.softplus(theta) - S * theta).mean()


def frobenius(difference: Tensor) -> Tensor:
    """||D||_F / b for rows D (b, d): how DSCMR measures label regression and the distance of pairs."""
    norm: Tensor = vector_norm(difference)
    return norm / len(difference)
