"""Self-supervised adversarial hashing (Li, Deng, Li, Liu, Gao & Tao, CVPR 2018).

    J = Σ_m [alpha NLL(F_l F_m' / 2, S) + gamma NLL(H_l H_m' / 2, S) + quantise ||H_m - B||² + label ||L_m - L||²]
    adversary   a judge of each side takes F_l for real and F_m for fake, and F_m is to pass

over both sides and the labels themselves (m = l): a network of labels makes features F_l, codes H_l and reads the
labels back, and is the supervisor of the two others, in what features are like as in codes. B = sgn(H_l + H_v + H_t),
each NLL(T, S) the mean of log(1 + e^T) - S T with S who shares a label.

The paper trains its networks in turn, all weights 1; here one step moves them all, features F in NLL are centred over
the batch and of length sqrt(bits), so that inner products are like those of codes, and the judges' gradient comes back
reversed. In the released code the judges read numbers, so that no gradient reaches what they judge, the judges are
trained along with those they judge, and the pairs' loss is the square of S T - log(1 + e^T); none of it is followed.
The paper's text network also averages over windows of the word list, which say nothing where columns have no order.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast


@dataclass
class SSAH(Descent):
    """features, codes, quantise, label and adversary are the paper's alpha, gamma, beta, eta and delta."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    features: Annotated[float, AtLeast(0)] = 1.0
    codes: Annotated[float, AtLeast(0)] = 1.0
    quantise: Annotated[float, AtLeast(0)] = 0.1
    label: Annotated[float, AtLeast(0)] = 1.0
    adversary: Annotated[float, AtLeast(0)] = 0.1
    batch: Annotated[int, AtLeast(3)] = 256
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        hidden, classes, heads = self.hidden, facts["classes"], parts.heads

        def network(width: int) -> Any:
            head = nn.Sequential(nn.Linear(hidden, self.bits), nn.Tanh())
            return heads.Headed(heads.coder(width, hidden, hidden)[:-1], head)

        images, texts, labels = map(network, (*heads.widths(facts), classes))
        return heads.Network(
            images,
            texts,
            labels=labels,
            readers=nn.ModuleList([nn.Linear(hidden, classes) for _ in range(3)]),
            judges=nn.ModuleList([heads.layers(hidden, hidden // 2, 1) for _ in range(2)]),
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        losses, S, L = parts.losses, parts.targets.shared_label(batch.labels), batch.labels
        F = [net.labels.body(L), images, texts]
        H = [one.head(rows) for one, rows in zip((net.labels, net.images, net.texts), F, strict=True)]
        B = parts.codes.signs(sum(H)).detach()
        centred, scale = [rows - rows.mean(dim=0) for rows in F], self.bits / 2
        read = [reader(rows) for reader, rows in zip(net.readers, F, strict=True)]
        return {
            "features": self.features
            * sum(losses.pair_likelihood(scale * losses.cosines(centred[0], rows), S) for rows in centred),
            "codes": self.codes * sum(losses.pair_likelihood(H[0] @ rows.T / 2, S) for rows in H),
            "quantise": self.quantise * sum(parts.codes.quantisation(rows, B) for rows in H),
            "label": self.label * sum((rows.sigmoid() - L).square().mean() for rows in read),
            "adversary": self.judged(net, F, batch.done),
        }

    def judged(self, net: Any, F: Any, done: float) -> Any:
        """How well the judges tell features of a side from those of labels; its gradient comes back reversed."""
        factor = self.adversary * parts.heads.reversal(done)
        real = F[0].detach()
        return sum(
            parts.losses.told_apart(judge(real), judge(parts.heads.reversed_gradient(rows, factor)))
            for judge, rows in zip(net.judges, F[1:], strict=True)
        )
