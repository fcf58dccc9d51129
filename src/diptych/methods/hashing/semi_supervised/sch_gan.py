"""Semi-supervised cross-modal hashing by a generative adversarial network, SCH-GAN (Zhang, Peng & Yuan, IEEE
Transactions on Cybernetics 2020, arXiv 1802.02488).

    D   Σ_q max(0, β + d(q, pos) - d(q, x))  +  true [H(-d(q, pos), 1) + H(-d(q, x), 0)],    d(q, x) = ||σ_q - σ_x||²
    G   -Σ_q E_{x ~ p(x|q)} r(x|q) log p(x|q)  +  H(labels),    p(x|q) = softmax_x(-d_G(q, x))
        r(x|q) = 10^(-|β + d(q, pos) - d(q, x)|)

in both directions: a generative network G picks, for each that asks, items of the batch that are not known to be right,
and is rewarded (by policy gradient) for those on the very margin of the discriminative network D, whose hash codes are
kept. D learns from them and from one item that is known to be wrong. What is right of labelled pairs is what shares a
label; of the others, their partner alone. So pairs without labels ask, and are picked. G also reads labels off its
outputs, where there are some.

The released code has the labels of pairs without labels in G's loss, and in place of the policy gradient a regression
over two picks; neither is followed. Here candidates are a batch, both take a step in turn, and H(., .) compares -d
moved by β: else nothing at a distance of 0 would pass for right.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent, Player, SomeLabels
from diptych.parts.fitted import Above, AtLeast


@dataclass
class SCHGAN(SomeLabels, Descent):
    """margin is β, true weighs how D tells right items from picked ones, picked how many G picks for each that asks.

    picked   0 leaves D the items that are known to be wrong
    """

    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    margin: Annotated[float, Above(0)] = 5.0
    true: Annotated[float, AtLeast(0)] = 0.1
    picked: Annotated[int, AtLeast(0)] = 2
    batch: Annotated[int, AtLeast(3)] = 128

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        G = parts.heads.coders(facts, self.hidden, self.bits)
        G.add_module("reader", nn.Linear(self.bits, facts["classes"]))
        return parts.heads.coders(facts, self.hidden, self.bits, G=G)

    def players(self, net: Any) -> list[Player]:
        D = [*net.images.parameters(), *net.texts.parameters()]
        return [Player("G", list(net.G.parameters()), self.generate), Player("D", D, self.loss)]

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        from torch.nn.functional import relu, softplus

        hinge, told = images.new_zeros(()), images.new_zeros(())
        for d, d_G, right, wrong in ways(net, images, texts, batch):
            pos = d.gather(1, drawn(right, 1))
            asks = wrong.any(dim=1)
            far = [(pos[asks], d[asks].gather(1, drawn(wrong[asks], 1)))] if asks.any() else []
            if self.picked:
                far.append((pos, d.gather(1, drawn(picking(d_G, right).exp(), self.picked))))
            hinge = hinge + sum(relu(self.margin + near - away).mean() for near, away in far)
            told = told + softplus(pos - self.margin).mean()
            told = told + sum(softplus(self.margin - away).mean() for _, away in far)
        return {"margin": hinge, "true": self.true * told}

    def generate(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        policy = images.new_zeros(())
        for d, d_G, right, _ in ways(net, images, texts, batch):
            log_p = picking(d_G, right)
            picks = drawn(log_p.exp(), max(1, self.picked))
            pos = d.gather(1, drawn(right, 1))
            reward = 10.0 ** -(self.margin + pos - d.gather(1, picks)).abs()
            policy = policy - (reward.detach() * log_p.gather(1, picks)).mean()
        sides = (net.G.images(batch.images), net.G.texts(batch.texts))
        read = [parts.losses.label_entropy(net.G.reader(side), batch.labels) for side in sides]
        return {"policy": policy, "labels": sum(read)}


def ways(net: Any, images: Any, texts: Any, batch: Batch) -> Iterator[tuple[Any, Any, Any, Any]]:
    """Of either side that asks the other: d of D and of G, and which items are known to be right and to be wrong."""
    made = (net.G.images(batch.images), net.G.texts(batch.texts))
    d, d_G = (parts.losses.squared_distances(u.sigmoid(), v.sigmoid()) for u, v in ((images, texts), made))
    S = parts.targets.shared_label(batch.labels) > 0
    known = batch.labels.any(dim=1)
    right = S | (parts.targets.same_picture(batch.owner) > 0)
    wrong = known[:, None] & known & ~right
    yield d, d_G, right, wrong
    yield d.T, d_G.T, right.T, wrong.T


def picking(d: Any, right: Any) -> Any:
    """log p(x|q) over items that are not known to be right."""
    return (-d).masked_fill(right, -1e4).log_softmax(dim=1)


def drawn(shares: Any, number: int) -> Any:
    """(b, number) items of each row, drawn by these shares."""
    return shares.float().multinomial(number, replacement=True)
