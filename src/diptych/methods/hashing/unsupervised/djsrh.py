"""Deep joint-semantics reconstructing hashing (Su, Zhong & Zhang, ICCV 2019).

    min  ||cos(U, V) - S||² + within (||cos(U, U) - S||² + ||cos(V, V) - S||²)          in the mean over a batch of b
    S = scale [(1 - second) J + second J J' / b],   J = share S_I + (1 - share) S_T,   S_I = 2 cos(X, X) - 1

without labels: features say who is alike, J of the two sides together, J J' by who their neighbours are. Outputs pass
tanh(h sqrt(1 + epoch)), ever closer to the signs that a code keeps.

The paper fine-tunes a convolutional network; here both sides are two layers on the features that S is read from.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast


@dataclass
class DJSRH(Descent):
    """share, second, scale and within are the paper's beta, eta, mu and lambda."""

    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    share: Annotated[float, AtLeast(0)] = 0.6
    second: Annotated[float, AtLeast(0)] = 0.4
    scale: Annotated[float, AtLeast(0)] = 1.5
    within: Annotated[float, AtLeast(0)] = 0.1
    batch: Annotated[int, AtLeast(3)] = 64
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        return parts.heads.Network(
            images=parts.heads.coder(facts["image_width"], self.hidden, self.bits),
            texts=parts.heads.coder(facts["text_width"], self.hidden, self.bits),
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        off = parts.losses.off
        u, v = (parts.codes.annealed(side, batch.done * self.epochs) for side in (images, texts))
        S = self.likeness(batch.images, batch.texts)
        return {
            "between": off(u, v, S),
            "within": self.within * (off(u, u, S) + off(v, v, S)),
        }

    def likeness(self, images: Any, texts: Any) -> Any:
        """S (b, b) of the features of a batch."""
        S_I, S_T = (2 * parts.losses.cosines(side, side) - 1 for side in (images, texts))
        joint = self.share * S_I + (1 - self.share) * S_T
        return self.scale * parts.targets.second_order(joint, self.second)
