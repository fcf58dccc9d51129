"""Hierarchical message aggregation hashing (Tan, Zhu, Li, Zhang & Han, TMM 2023).

    teacher    min  similar ||cos(H, H) - S||² + adversary (that a judge takes H for noise) + quantise ||H - sgn H||²
               H = tanh [W_1 G_I; W_2 J_I; W_3 G_T; W_4 J_T]
    students   min  Σ_m ||h_m - B||² + distil Σ_m,m' ||cos(h_m, h_m') - cos(H, H)||²,   B = sgn H

A teacher sees both sides of a pair among the others of its batch, joined by the labels they share: G_I and G_T are what
pictures tell pictures and texts texts, J_I and J_T what both tell both; each gives a quarter of the code. A student of
each side learns the code and how codes lie to each other. S are cosines of labels; the judge tells codes from normal
noise, so that they spread as it does.

Teacher and students move in the same steps, and none of the students' gradient reaches the teacher, where the released
code trains one after the other. There each item of the database is stored under a code of its picture and its text
together; here under that of its own side, as queries are.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast


@dataclass
class HMAH(Descent):
    """similar, adversary, quantise and distil weigh the terms besides the students' codes."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(4)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    similar: Annotated[float, AtLeast(0)] = 10.0
    adversary: Annotated[float, AtLeast(0)] = 0.01
    quantise: Annotated[float, AtLeast(0)] = 0.01
    distil: Annotated[float, AtLeast(0)] = 1.0
    batch: Annotated[int, AtLeast(3)] = 256
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        quarters = [(self.bits + place) // 4 for place in range(4)]
        return parts.heads.coders(
            facts,
            self.hidden,
            self.bits,
            nn.Tanh,
            teacher=parts.graphs.PairGraph(*parts.heads.widths(facts), self.hidden, self.hidden),
            heads=nn.ModuleList([nn.Linear(self.hidden, bits) for bits in quarters]),
            judge=parts.heads.layers(self.bits, 64, 32, 1),
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        from torch import cat, randn_like

        losses, sides = parts.losses, (images, texts)
        told = net.teacher(batch.images, batch.texts, parts.targets.shared_label(batch.labels))
        H = cat([head(rows) for head, rows in zip(net.heads, told, strict=True)], 1).tanh()
        R, B = losses.cosines(H, H), parts.codes.signs(H).detach()
        passing = parts.heads.reversed_gradient(H, self.adversary * parts.heads.reversal(batch.done))
        ways = ((images, texts), (images, images), (texts, texts))
        return {
            "similar": self.similar * (R - parts.targets.label_cosine(batch.labels)).square().mean(),
            "judge": losses.told_apart(net.judge(randn_like(H)), net.judge(passing)),
            "quantise": self.quantise * parts.codes.quantisation(H, B),
            "codes": sum(parts.codes.quantisation(side, B) for side in sides),
            "distil": self.distil * sum((losses.cosines(*way) - R.detach()).square().mean() for way in ways),
        }
