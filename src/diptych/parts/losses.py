"""Terms of objectives: pure functions of tensors that give one number.

Outputs u and v are (b, d) rows of pictures and of their texts; a target S is (b, b), as `targets` makes it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn import functional as F

from diptych.kinds import BadInput


def cosines(u: Tensor, v: Tensor) -> Tensor:
    """(b, b) cosines of all rows of u with all rows of v."""
    return F.normalize(u, dim=-1) @ F.normalize(v, dim=-1).T


def off(u: Tensor, v: Tensor, S: Tensor) -> Tensor:
    """mean_ij (cos(u_i, v_j) - S_ij)^2."""
    return (cosines(u, v) - S).square().mean()


def contrastive(logits: Tensor, positives: Tensor) -> Tensor:
    """InfoNCE in both directions (van den Oord et al. 2018; CLIP: Radford et al. 2021).

    -1/2 mean_i mean_{j in P(i)} log softmax_j(logits_i) and the same down the columns. With one positive a row it is
    CLIP's loss; with several, each is a target of its own (outside the logarithm: Khosla et al. 2020, eq. 2).
    """
    rows = (positives * F.log_softmax(logits, dim=1)).sum(dim=1) / positives.sum(dim=1)
    columns = (positives * F.log_softmax(logits, dim=0)).sum(dim=0) / positives.sum(dim=0)
    return -(rows.mean() + columns.mean()) / 2


def partners(u: Tensor, v: Tensor, temperature: float, owner: Tensor) -> Tensor:
    """(b,) minus the log of the share of a row's partner among all other rows of both sides, mean of both ways.

    NT-Xent (Chen, Kornblith, Norouzi & Hinton, ICML 2020): the softmax is of cosines over the temperature. Pairs of one
    picture (owner (b,)) are no rivals of each other.
    """
    b = len(u)
    own = torch.arange(b, device=u.device).repeat(2)
    rows, same = torch.cat([u, v]), owner.repeat(2)
    partner = torch.arange(2 * b, device=u.device).roll(b)
    logits = cosines(rows, rows) / temperature
    rivals = same[:, None] == same
    rivals[torch.arange(2 * b, device=u.device), partner] = False
    lost = F.cross_entropy(logits.masked_fill(rivals, -torch.inf), partner, reduction="none")
    return lost.new_zeros(b).index_add(0, own, lost / 2)


def pair_likelihood(theta: Tensor, S: Tensor) -> Tensor:
    """mean_ij [log(1 + exp(theta_ij)) - S_ij theta_ij]: minus the log-likelihood of S under sigmoid(theta)."""
    return (F.softplus(theta) - S * theta).mean()


def frobenius(difference: Tensor) -> Tensor:
    """||D||_F / b for rows D (b, d): how DSCMR measures label regression and the distance of pairs."""
    norm: Tensor = vector_norm(difference)
    return norm / len(difference)


def reconstruction(made: Tensor, rows: Tensor) -> Tensor:
    """mean_i ||made_i - rows_i||^2."""
    return (made - rows).square().sum(dim=1).mean()


def label_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """mean_i -sum_c p_ic log softmax(logits_i)_c, where the labels of i (0/1, (b, C)) share its probability p equally.

    With one label an item it is the cross-entropy of classes; an item without labels gives nothing.
    """
    shares = labels / labels.sum(dim=1, keepdim=True).clamp(min=1)
    return -(shares * F.log_softmax(logits, dim=1)).sum(dim=1).mean()


def told_apart(real: Tensor, fake: Tensor) -> Tensor:
    """-1/2 [mean log D(real) + mean log(1 - D(fake))] of a discriminator D, from its logits (GAN: Goodfellow 2014).

    log 2 where it cannot tell; it serves as the loss of a modality classifier, too.
    """
    return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2


def passes_for_fake(fake: Tensor) -> Tensor:
    """mean log(1 - D(fake)) from logits: what a generator lowers (GAN: Goodfellow et al. 2014, eq. 1)."""
    return -F.softplus(fake).mean()


def squared_distances(u: Tensor, v: Tensor) -> Tensor:
    """(..., b, b) squared Euclidean distances of all rows of u and all rows of v (..., b, d), never below zero."""
    squares = u.square().sum(dim=-1)[..., :, None] + v.square().sum(dim=-1)[..., None, :]
    return (squares - 2 * u @ v.mT).clamp(min=0)


def discrepancy(u: Tensor, v: Tensor, gamma: float) -> Tensor:
    """Squared maximum mean discrepancy of two samples under exp(-gamma ||a - b||^2) (Gretton et al. 2012, eq. 5)."""
    within = sum(torch.exp(-gamma * squared_distances(side, side)).mean() for side in (u, v))
    return within - 2 * torch.exp(-gamma * squared_distances(u, v)).mean()


def triplets(near: Tensor, S: Tensor, margin: float) -> Tensor:
    """mean_{i,j,k} max(0, margin - near_ij + near_ik) over rows, S_ij = 1 and S_ik = 0; 0 where there are no such.

    near (b, b) is how near item j of the other side is to i. It goes through the batch in b steps of (b, b), so that
    memory stays at that.
    """
    total, number = near.new_zeros(()), near.new_zeros(())
    for scores, same in zip(near, S > 0, strict=True):
        broken = F.relu(margin - scores[same][:, None] + scores[~same][None, :])
        total, number = total + broken.sum(), number + broken.numel()
    return total / number.clamp(min=1)


def correlation(u: Tensor, v: Tensor, ridge: float) -> Tensor:
    """||C_uu^{-1/2} C_uv C_vv^{-1/2}||_*, the sum of the canonical correlations of b paired rows (Andrew et al. 2013).

    ridge is a share of each side's mean variance, added to its covariance. Any root of a covariance gives the same
    singular values, so these are Cholesky factors. Raises BadInput where the ridge is too small for them.
    """
    u, v = u - u.mean(dim=0), v - v.mean(dim=0)
    whitened = []
    for side in (u, v):
        covariance = side.T @ side / len(side)
        lift = ridge * covariance.diagonal().mean() + torch.finfo(side.dtype).tiny
        eye = torch.eye(side.shape[1], dtype=side.dtype, device=side.device)
        factor, failed = torch.linalg.cholesky_ex(covariance + lift * eye)
        if failed:
            raise BadInput("the covariance of the outputs is singular; set a larger ridge, such as ridge=0.01")
        whitened.append(torch.linalg.solve_triangular(factor, side.T, upper=False))
    total: Tensor = torch.linalg.svdvals(whitened[0] @ whitened[1].T / len(u)).sum()
    return total


def orthogonality(u: Tensor, v: Tensor) -> Tensor:
    """mean_i cos(u_i, v_i)^2: 0 where every row of u is at right angles to its row of v."""
    return F.cosine_similarity(u, v, dim=1).square().mean()


def hardest_triplets(near: Tensor, same: Tensor, margin: float) -> Tensor:
    """mean_i max(0, margin - near_ii + max_{same_ij = 0} near_ij), and down the columns (VSE++: Faghri et al. 2018)."""
    own, others = near.diagonal(), near.masked_fill(same > 0, -torch.inf)
    hardest = [others.amax(dim=1), others.amax(dim=0)]
    return sum((F.relu(margin - own + most).mean() for most in hardest), start=near.new_zeros(()))


def all_triplets(near: Tensor, same: Tensor, margin: float) -> Tensor:
    """mean_{i,j} max(0, margin - near_ii + near_ij) over same_ij = 0, and down the columns; 0 where there are none.

    Every pair against every unmatched item (Kiros, Salakhutdinov & Zemel 2014, eq. 6).
    """
    broken = [F.relu(margin - table.diagonal()[:, None] + table) for table in (near, near.T)]
    return ((1 - same) * sum(broken, start=torch.zeros_like(near))).sum() / (1 - same).sum().clamp(min=1)
