"""Multi-task consistency-preserving adversarial hashing (Xie, Deng, Liu, Tao & Tao, TIP 2020).

    c_m = sigmoid(M_m f_m) f_m,   p_m = f_m - c_m,   h_m = tanh(W_m c_m)
    min  NLL(H_I H_T' / 2, S) + quantise Σ_m ||B - h_m||² + tasks (L_consistency + L_label) + adversary L_adv

A mask parts each side's feature into what both sides have in common, which alone is hashed, and what is its own.
L_consistency: a classifier tells the common parts, both one class, from what is private to pictures and to texts;
L_label: the common part tells the labels; L_adv: a judge is not to tell the common parts of texts from those of
pictures, its gradient comes back reversed. B = sgn(h_I + h_T), NLL(T, S) the mean of log(1 + e^T) - S T.

The one published port gives its consistency classifier no part in the loss and hashes another feature when it tests
than when it trains; neither is followed. Its judge has a gradient penalty, and terms are sums where these are means.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast


@dataclass
class CPAH(Descent):
    """tasks and quantise are the paper's alpha and beta."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    quantise: Annotated[float, AtLeast(0)] = 0.1
    tasks: Annotated[float, AtLeast(0)] = 0.1
    adversary: Annotated[float, AtLeast(0)] = 0.1
    batch: Annotated[int, AtLeast(3)] = 256
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        heads, hidden = parts.heads, self.hidden
        images, texts = (
            heads.Headed(
                heads.coder(width, hidden, hidden)[:-1],
                nn.Sequential(heads.Gate(hidden), nn.Linear(hidden, self.bits), nn.Tanh()),
            )
            for width in heads.widths(facts)
        )
        return heads.Network(
            images,
            texts,
            labels=nn.ModuleList([nn.Linear(hidden, facts["classes"]) for _ in range(2)]),
            kinds=heads.layers(hidden, 64, 3),
            judge=heads.layers(hidden, 64, 1),
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        from torch import cat, tensor
        from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

        S, b = parts.targets.shared_label(batch.labels), len(images)
        common = [side.head[0](rows) for side, rows in ((net.images, images), (net.texts, texts))]
        h = [side.head[1:](rows) for side, rows in zip((net.images, net.texts), common, strict=True)]
        B = parts.codes.signs(sum(h)).detach()
        kinds = net.kinds(cat([*common, images - common[0], texts - common[1]]))
        truth = tensor([1, 1, 0, 2], device=kinds.device).repeat_interleave(b)
        read = [reader(rows) for reader, rows in zip(net.labels, common, strict=True)]
        factor = self.adversary * parts.heads.reversal(batch.done)
        judged = [net.judge(parts.heads.reversed_gradient(rows, factor)) for rows in common]
        return {
            "pairs": parts.losses.pair_likelihood(h[0] @ h[1].T / 2, S),
            "quantise": self.quantise * sum(parts.codes.quantisation(rows, B) for rows in h),
            "consistency": self.tasks * cross_entropy(kinds, truth),
            "labels": self.tasks * sum(binary_cross_entropy_with_logits(rows, batch.labels) for rows in read),
            "judge": parts.losses.told_apart(*judged),
        }
