"""Unsupervised contrastive cross-modal hashing (Hu, Zhu, Lin, Peng, Zhao & Peng, TPAMI 2023).

    min  share C + (1 - share) R
    C = -Σ_i log softmax_j(u_i'b_j / (T √k))_i + the same of v,   b_j = sgn(m_j) a code of the bank, k bits
    R = Σ_i log Σ_j exp(r_ij) - u_i'v_i + the same down the columns,   r_ij = u_i'v_j, less `shift` where that is below
        u_i'v_i - margin

u and v are outputs at unit length. The bank holds a code for each pair, m <- momentum m + (1 - momentum) (u + v) / 2,
so that outputs meet binary codes without being made binary. R makes little of negatives that are far away already, and
pairs of one kind that it takes for negatives do less harm.

The released code draws negatives for each pair anew and starts with an epoch on the codes of the batch alone. Here they
are drawn for a batch at once, beside the batch's own, and the bank starts as what the network says; it also brings
(u + v) / 2 and m to length 1, where here a pair that disagrees moves its m less. Captions of one picture are no
negatives in R.
"""

from dataclasses import dataclass
from math import inf
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import Pairs, hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast, Below


@dataclass
class UCCH(Descent):
    """share is the paper's alpha, temperature its T; negatives are drawn from the bank."""

    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    share: Annotated[float, AtLeast(0)] = 0.7
    temperature: Annotated[float, Above(0)] = 0.9
    negatives: Annotated[int, AtLeast(1)] = 4096
    bank_momentum: Annotated[float, AtLeast(0), Below(1)] = 0.4
    margin: Annotated[float, AtLeast(0)] = 0.2
    shift: Annotated[float, AtLeast(0)] = 1.0
    batch: Annotated[int, AtLeast(3)] = 256

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        images, texts = (
            nn.Sequential(parts.heads.coder(facts[width], self.hidden, self.bits), nn.Tanh(), parts.heads.UnitLength())
            for width in ("image_width", "text_width")
        )
        bank = parts.memory.Tables(bank=(facts["texts"], self.bits))
        return parts.heads.Network(images=images, texts=texts, memory=bank)

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        from torch import from_numpy

        if epoch == 0:
            both = self.outputs(net.images, train.images)[train.owner] + self.outputs(net.texts, train.texts)
            net.memory.bank.copy_(from_numpy(both / 2))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        codes = self.contrast(net.memory.bank, batch.index, images) + self.contrast(net.memory.bank, batch.index, texts)
        kept = self.bank_momentum * net.memory.bank[batch.index]
        net.memory.bank[batch.index] = kept + (1 - self.bank_momentum) * (images + texts).detach() / 2
        return {"codes": self.share * codes, "ranking": (1 - self.share) * self.ranking(images @ texts.T, batch.owner)}

    def contrast(self, bank: Any, index: Any, outputs: Any) -> Any:
        """C of one side: outputs (b, k) against their own codes, the rows `index` of the bank, and drawn ones."""
        from torch import arange, cat, randint
        from torch.nn.functional import cross_entropy

        own = arange(len(index), device=bank.device)
        rows = cat([index, randint(len(bank), (self.negatives,), device=bank.device)])
        logits = outputs @ parts.codes.signs(bank[rows]).T / (self.temperature * self.bits**0.5)
        again = rows == index[:, None]
        again[own, own] = False
        return cross_entropy(logits.masked_fill(again, -inf), own)

    def ranking(self, scores: Any, owner: Any) -> Any:
        """R from the cosines (b, b) of a batch."""
        true = scores.diagonal()
        mates = parts.targets.same_picture(owner).fill_diagonal_(0).bool()
        loss = -2 * true.mean()
        for table in (scores, scores.T):
            far = table < true[:, None] - self.margin
            loss = loss + (table - self.shift * far).masked_fill(mates, -inf).logsumexp(dim=1).mean()
        return loss
