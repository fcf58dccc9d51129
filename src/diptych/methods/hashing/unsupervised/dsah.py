"""Deep semantic-alignment hashing (Yang, Wu, Zhang, Zhang, Wang & Wang, ICMR 2020).

    S = scale [share S_I + (1 - share) S_T],   S_m = 2 cos(X_m, X_m) - 1
    min  ||cos(U, V) - S||² + ||cos(U, U) - S||² + ||cos(V, V) - S||²
         + own (||cos(U, U) - scale S_I||² + ||cos(V, V) - scale S_T||²)
         + pull mean_i (scale - cos(u_i, v_i))² + symmetric ||cos(U, V) - cos(V, U)||²
         + remade (||d_I(sgn v) - x||² + ||d_T(sgn u) - y||²)

in the mean over a batch, U and V the tanh outputs of pictures and texts: codes of both sides follow how alike pairs
are, and each side's code is to tell the features of the other.

A cosine never reaches `scale` above 1, so pull goes on. The gradient of the last line passes the sign as if it were not
there; in the released code it does not reach the codes at all. Features x and y are of length 1. The paper fine-tunes a
convolutional network; here two layers read the features that S is made of.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast


@dataclass
class DSAH(Descent):
    """share and scale are the paper's alpha and K, own its eta; the rest weigh their terms."""

    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    share: Annotated[float, AtLeast(0)] = 0.2
    scale: Annotated[float, AtLeast(0)] = 1.5
    own: Annotated[float, AtLeast(0)] = 0.1
    pull: Annotated[float, AtLeast(0)] = 1.0
    symmetric: Annotated[float, AtLeast(0)] = 2.0
    remade: Annotated[float, AtLeast(0)] = 0.1
    batch: Annotated[int, AtLeast(3)] = 256
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        decoders = [nn.Linear(self.bits, width) for width in parts.heads.widths(facts)]
        return parts.heads.coders(facts, self.hidden, self.bits, nn.Tanh, decoders=nn.ModuleList(decoders))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        cosines, unit = parts.losses.cosines, parts.heads.UnitLength()
        S_I, S_T = (self.scale * (2 * cosines(side, side) - 1) for side in (batch.images, batch.texts))
        S = self.share * S_I + (1 - self.share) * S_T
        between, of_images, of_texts = (cosines(u, v) for u, v in ((images, texts), (images, images), (texts, texts)))
        made = zip(net.decoders, (texts, images), (batch.images, batch.texts), strict=True)
        told = [(decode(parts.codes.straight_through(code)), unit(rows)) for decode, code, rows in made]
        return {
            "alike": sum((table - S).square().mean() for table in (between, of_images, of_texts)),
            "own": self.own * ((of_images - S_I).square().mean() + (of_texts - S_T).square().mean()),
            "pull": self.pull * (self.scale - between.diagonal()).square().mean(),
            "symmetric": self.symmetric * (between - between.T).square().mean(),
            "remade": self.remade * sum(parts.losses.reconstruction(*pair) for pair in told),
        }
