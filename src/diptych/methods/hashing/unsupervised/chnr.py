"""Cross-modal hashing under noisy correspondence, CHNR (Mikriukov, Ravanbakhsh & Demir, ICIP 2022).

    min_{U,V}  Σ_i w_i C_i + quantise (||U - B||² + ||V - B||²),   w_i = [p_ii > (mean p_ii + mean p_ij) / 2]
    min_D      -Σ_i log p_ii + log(1 - p_ij),   p_ij = sigmoid D(x_i, y_j),   j ≠ i,   in the first part of the training

C_i is minus the log of the share of a pair's own partner among all other outputs of the batch, at `temperature` and
both ways; B the signs of U + V. D reads the features of a picture and a text side by side, and learns which belong
together: from then on, a pair whose sides do not, because someone put them together wrongly, is left out. Of the
paper's ways to weigh pairs by D this is the one that it calls discrete.

Simplified: in the paper D learns from pairs known to be right, and takes texts of other classes for wrong; here it
learns from all pairs, most of which are taken to be right, and any other text is a wrong one. There are two: each
learns from half of the pairs, and judges the other half, so that none learns by heart what it is to judge. The paper's
second picture, the first one changed, wants pixels.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast


@dataclass
class CHNR(Descent):
    """meta is a share of the training; without doubt, all pairs weigh the same."""

    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 256
    temperature: Annotated[float, Above(0)] = 0.5
    quantise: Annotated[float, AtLeast(0)] = 0.01
    meta: Annotated[float, AtLeast(0)] = 0.4
    doubt: bool = True
    epochs: Annotated[int, AtLeast(0)] = 15
    batch: Annotated[int, AtLeast(4)] = 256
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        judges = [parts.heads.layers(sum(parts.heads.widths(facts)), self.hidden, 1, dropout=0.2) for _ in range(2)]
        return parts.heads.coders(facts, self.hidden, self.bits, nn.Tanh, judges=nn.ModuleList(judges))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        B = parts.codes.signs(images + texts).detach()
        each = parts.losses.partners(images, texts, self.temperature, batch.owner)
        far = parts.codes.quantisation(images, B) + parts.codes.quantisation(texts, B)
        terms = {"pairs": (self.weights(net, batch) * each).mean(), "quantise": self.quantise * far}
        return terms | ({"judges": self.judged(net, batch)} if batch.done < self.meta else {})

    def weights(self, net: Any, batch: Batch) -> Any:
        """w (b,): whether each pair is taken to be right, by the judge that does not learn from it."""
        if batch.done < self.meta or not self.doubt:
            return 1.0
        real, fake = (self.believed(net, batch, batch.texts.roll(turn, dims=0)) for turn in (0, 1))
        return (real > (real.mean() + fake.mean()) / 2).float()

    def believed(self, net: Any, batch: Batch, texts: Any) -> Any:
        """p (b,) of the pictures of a batch with these texts, each by the judge that did not learn from the picture."""
        read = side_by_side(batch.images, texts)
        of_even, of_odd = (judge(read).flatten().sigmoid().detach() for judge in net.judges)
        return of_odd.where(batch.index % 2 == 0, of_even)

    def judged(self, net: Any, batch: Batch) -> Any:
        """How well each judge tells the pairs of its half from those whose texts changed places."""
        total: Any = 0.0
        for half, judge in enumerate(net.judges):
            rows = (batch.index % 2 == half).nonzero()[:, 0]
            real, fake = (side_by_side(batch.images[rows], batch.texts[at]) for at in (rows, rows.roll(1)))
            total = total + parts.losses.told_apart(judge(real), judge(fake))
        return total


def side_by_side(images: Any, texts: Any) -> Any:
    """What a judge reads of pairs (b, d_x + d_y): both sides at length 1."""
    from torch import cat

    unit = parts.heads.OneRow()
    return cat([unit(images), unit(texts)], dim=1)
