"""Coupled cycle adversarial hashing, UCH (Li, Deng, Wang, Xie & Liu, AAAI 2019).

    outer   x -> z_I -> y^,   y -> z_T -> x^        inner   z_I -> h_I -> z_T^,   z_T -> h_T -> z_I^
    min     remade (||x^ - x||² + ||y^ - y||²) + near ||z_I - z_T||² + adversary Σ (J(fake) - 1)²
            + the same of the inner networks, with z for x and y, and h for z

Pictures are turned into the features of their texts and back by way of a common space z, and what is common into that
of the other side by way of codes h: both levels are learned together. A judge J of each of the four things made goes
down (J(real) - 1)² + J(fake)². A code is the signs of h.

Simplified: networks are smaller than the paper's, and read features of length 1; z is normalised over a batch, so that
it cannot shrink to make its own remaking easy.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent, Player
from diptych.parts.fitted import AtLeast


@dataclass
class UCH(Descent):
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 256
    dims: Annotated[int, AtLeast(1)] = 128
    remade: Annotated[float, AtLeast(0)] = 1.0
    near: Annotated[float, AtLeast(0)] = 1.0
    adversary: Annotated[float, AtLeast(0)] = 0.1
    epochs: Annotated[int, AtLeast(0)] = 10
    batch: Annotated[int, AtLeast(3)] = 128
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        hidden, bits, heads, widths = self.hidden, self.bits, parts.heads, parts.heads.widths(facts)

        def encoder(width: int) -> Any:
            body = nn.Sequential(heads.coder(width, hidden, self.dims), nn.BatchNorm1d(self.dims, affine=False))
            return heads.Headed(body, nn.Sequential(nn.Linear(self.dims, bits), nn.Tanh()))

        made = (*widths, self.dims, self.dims)
        return heads.Network(
            *map(encoder, widths),
            makers=nn.ModuleList([heads.layers(width, hidden, to) for width, to in zip(made[2:], widths, strict=True)]),
            inner=nn.ModuleList([heads.layers(bits, hidden, self.dims) for _ in range(2)]),
            judges=nn.ModuleList([heads.layers(width, hidden, 1) for width in made]),
        )

    def players(self, net: Any) -> list[Player]:
        judges = list(net.judges.parameters())
        others = [one for name, one in net.named_parameters() if not name.startswith("judges")]
        return [Player("judges", judges, self.judged), Player("networks", others, self.loss)]

    def made(self, net: Any, images: Any, texts: Any, batch: Batch) -> list[tuple[Any, Any]]:
        """What is real and what was made for it: pictures, texts, and z of either."""
        unit = parts.heads.UnitLength()
        codes = net.images.head(images), net.texts.head(texts)
        outer, inner = (
            [make(side) for make, side in zip(makers, (z_T, z_I), strict=True)]
            for makers, z_T, z_I in ((net.makers, texts, images), (net.inner, codes[1], codes[0]))
        )
        real = (unit(batch.images), unit(batch.texts), images, texts)
        return list(zip(real, outer + inner, strict=True))

    def judged(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        """How well real things are told from made ones, in the mean of squares."""
        pairs = zip(net.judges, self.made(net, images, texts, batch), strict=True)
        return {
            "real": sum(
                (judge(real) - 1).square().mean() + judge(fake).square().mean() for judge, (real, fake) in pairs
            )
        }

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        made, far = self.made(net, images, texts, batch), parts.codes.quantisation
        passed = sum((judge(fake) - 1).square().mean() for judge, (_, fake) in zip(net.judges, made, strict=True))
        remade = [parts.losses.reconstruction(fake, real) for real, fake in made]
        return {
            "outer": self.remade * (remade[0] + remade[1]),
            "inner": self.remade * (remade[2] + remade[3]) / self.dims,
            "near": self.near * (far(images, texts) + far(net.images.head(images), net.texts.head(texts))),
            "adversary": self.adversary * passed,
        }
