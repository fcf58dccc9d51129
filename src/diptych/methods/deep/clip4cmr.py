"""Supervised cross-modal retrieval on frozen CLIP features, under eight losses (CLIP4CMR: Zeng & Mao 2022).

One network, and a choice of what it learns by, in the paper's names, all on outputs of length 1 with d squared
Euclidean distances and margin m:

    CEL   cross-entropy of a classifier whose weights have length 1
    LRL   label regression  mean_i ||P z_i - l_i||  (of DSCMR), P of such weights
    ML    modality invariance  sum_ij S_ij d_ij / b
    CL    contrastive  sum_ij [S_ij d_ij + (1 - S_ij) max(0, m - d_ij)] / b
    TL    triplets  max(0, m + d_ij - d_ik), S_ij = 1, S_ik = 0, from both sides
    PCL   prototype contrast  -log softmax_c(-s ||z - c||^2) for fixed random prototypes (of PAN)
    PNCA  proxy NCA: -log exp(-s ||z - c||^2) over the sum of the other classes (Movshovitz-Attias et al. 2017)
    PAL   proxy anchor: log-sums over the items of a class and over all others (Kim et al. 2020)

S_ij = 1 where items share a label, s is the sharpness. Features may be any. Where an item has several labels, each is a
target of CEL, PCL and PNCA in equal shares, and of LRL and PAL in full. In the released code the positives of CL add a
constant and PCL is divided by the batch twice; not here. LRL is the default since it finds most on training pairs kept
aside, of Wikipedia, of COCO's objects and of fashion.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from diptych import parts
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast, Below


@dataclass
class CLIP4CMR(Descent):
    """sharpness multiplies the logits of CEL, PCL and PNCA, where the paper has 1, and is alpha of PAL.

    margin is that of CL, TL and PAL. The paper's hidden layer has 256.
    """

    needs = "labels"
    objective: Literal["CEL", "LRL", "ML", "CL", "TL", "PCL", "PNCA", "PAL"] = "LRL"
    hidden: Annotated[int, AtLeast(1)] = 1024
    dims: Annotated[int, AtLeast(1)] = 1024
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.1
    margin: Annotated[float, Above(0)] = 0.2
    sharpness: Annotated[float, Above(0)] = 16.0
    batch: int = 300
    momentum: float = 0.5

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def encoder(width: int | None) -> Any:
            rows = parts.heads.mlp(width, self.hidden, self.dims, activation=nn.GELU, dropout=self.dropout)
            return nn.Sequential(rows, parts.heads.UnitLength())

        prototypes = nn.Linear(self.dims, facts["classes"], bias=False)
        # The pair losses have no classes, and PCL keeps its prototypes as they were drawn.
        prototypes.requires_grad_(self.objective in ("CEL", "LRL", "PNCA", "PAL"))
        nn.init.normal_(prototypes.weight)
        return parts.heads.Network(encoder(facts["image_width"]), encoder(facts["text_width"]), prototypes=prototypes)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        found = getattr(self, f"_{self.objective.lower()}")
        if self.objective in ("ML", "CL", "TL"):
            S = parts.targets.shared_label(batch.labels)
            return {self.objective: found(parts.losses.squared_distances(images, texts), S)}
        return {self.objective: sum(found(side, batch.labels, net.prototypes) for side in (images, texts))}

    def _ml(self, distance: Any, S: Any) -> Any:
        return (S * distance).sum() / len(S)

    def _cl(self, distance: Any, S: Any) -> Any:
        return (S * distance + (1 - S) * (self.margin - distance).clamp(min=0)).sum() / len(S)

    def _tl(self, distance: Any, S: Any) -> Any:
        return sum(parts.losses.triplets(-table, S, self.margin) for table in (distance, distance.T))

    def _cel(self, rows: Any, labels: Any, prototypes: Any) -> Any:
        return parts.losses.label_entropy(self.sharpness * parts.losses.cosines(rows, prototypes.weight), labels)

    def _lrl(self, rows: Any, labels: Any, prototypes: Any) -> Any:
        return (parts.losses.cosines(rows, prototypes.weight) - labels).norm(dim=1).mean()

    def _distances(self, rows: Any, prototypes: Any) -> Any:
        return parts.losses.squared_distances(rows, parts.heads.UnitLength()(prototypes.weight))

    def _pcl(self, rows: Any, labels: Any, prototypes: Any) -> Any:
        return parts.losses.label_entropy(-self.sharpness * self._distances(rows, prototypes), labels)

    def _pnca(self, rows: Any, labels: Any, prototypes: Any) -> Any:
        near = -self.sharpness * self._distances(rows, prototypes)
        others = near.masked_fill(labels > 0, -1e9).logsumexp(dim=1, keepdim=True)
        asked = labels * (labels == 0).any(dim=1, keepdim=True)  # of what has every class, there is no other
        shares = asked / asked.sum(dim=1, keepdim=True).clamp(min=1)
        return -(shares * (near - others)).sum(dim=1).mean()

    def _pal(self, rows: Any, labels: Any, prototypes: Any) -> Any:
        import torch
        from torch.nn.functional import softplus

        near = parts.losses.cosines(rows, prototypes.weight)
        present = labels.sum(dim=0) > 0

        def summed(exponents: Any, items: Any) -> Any:  # log(1 + sum over items of exp), a class
            return softplus(exponents.masked_fill(~items, -torch.inf).logsumexp(dim=0))

        pull = summed(-self.sharpness * (near - self.margin), labels > 0).sum() / present.sum().clamp(min=1)
        push = summed(self.sharpness * (near + self.margin), labels == 0)
        return pull + push.mean()
