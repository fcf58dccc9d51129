"""Correlation-identity reconstruction hashing (Zhu, Wu, Li, Zhang, Guan & Shen, TKDE 2023).

    S = own S_1 + (1 - own) S_2,  S_1 = share cos(X, X) + (1 - share) cos(Y, Y), the `near` greatest of each row,
    S_2 = 2 sigmoid(S_1) - 1 + I
    H = tanh(W [H_I; H_J; H_T]),  H_I = W_I [G_I; J],  H_T = W_T [J; G_T],  H_J = W_J J
    teacher    ||cos(H_m, H_m) - S||² for H_I, H_T, H  +  identity (||d_I(H + tanh H_I) - x~||² + the same of texts)
               +  ||H - sgn H||²
    students   ||f_m(x) - sgn H||² + ||f_I - f_T||² + graph Σ ||cos(f_m, f_m') - S||²

A teacher sees both sides of a pair among its neighbours in the batch: G_I and G_T are graph convolutions of a side
under S, J one over both sides, where a picture also hears its text. The codes it finds, which can tell correlations
(S) and identities (features, mixed .7, .2 and .1 with those of the two nearest pairs), are what two hash functions of
one side each learn.

The paper trains teacher and students in stages, epoch by epoch; here every step has both, and the students' gradient
does not reach the teacher. Its released code takes rows of S for others than those of the batch in the second stage.
Features are scaled to length 1.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import Above, AtLeast


@dataclass
class CIRH(Descent):
    """share and own are the paper's a_1 and a_2, identity its lambda_1, graph its beta; near, a share of the batch."""

    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 256
    share: Annotated[float, AtLeast(0)] = 0.2
    own: Annotated[float, AtLeast(0)] = 0.5
    near: Annotated[float, Above(0)] = 0.4
    identity: Annotated[float, AtLeast(0)] = 10.0
    graph: Annotated[float, AtLeast(0)] = 0.01
    batch: Annotated[int, AtLeast(3)] = 256

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def head(width: int) -> Any:
            return nn.Sequential(nn.Linear(width, self.bits), nn.BatchNorm1d(self.bits))

        hidden, widths = self.hidden, parts.heads.widths(facts)
        return parts.heads.coders(
            facts,
            hidden,
            self.bits,
            nn.Tanh,
            teacher=parts.graphs.PairGraph(*widths, hidden, hidden),
            heads=nn.ModuleList([head(2 * hidden), head(2 * hidden), head(hidden)]),
            whole=head(3 * self.bits),
            decoders=nn.ModuleList([parts.heads.layers(self.bits, hidden, width) for width in widths]),
        )

    def likeness(self, images: Any, texts: Any) -> Any:
        """S (b, b) of the features of a batch."""
        from torch import eye

        near = parts.targets.nearest(parts.targets.alike(images, texts, self.share), self.near).clamp(min=0)
        lifted = 2 * near.sigmoid() - 1
        return self.own * near + (1 - self.own) * ((lifted + lifted.T) / 2 + eye(len(near), device=near.device))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        from torch import cat

        codes, unit = parts.codes, parts.heads.UnitLength()
        S = self.likeness(batch.images, batch.texts)
        of_images, of_texts, *both = net.teacher(batch.images, batch.texts, S)
        joint = sum(both)
        H_I, H_T, H_J = (
            head(rows)
            for head, rows in zip(
                net.heads, (cat([of_images, joint], 1), cat([joint, of_texts], 1), joint), strict=True
            )
        )
        H = net.whole(cat([H_I, H_J, H_T], 1)).tanh()
        B, mixed = codes.signs(H).detach(), mix(S)
        made = zip(net.decoders, (H_I, H_T), (batch.images, batch.texts), strict=True)
        remade = sum(parts.losses.reconstruction(to(H + own.tanh()), mixed @ unit(x)) for to, own, x in made)
        return {
            "graph": sum(parts.losses.off(rows, rows, S) for rows in (H_I, H_T, H)),
            "identity": self.identity / self.bits * remade,
            "quantise": codes.quantisation(H, B),
            "students": sum(codes.quantisation(side, B) for side in (images, texts)) + (images - texts).square().mean(),
            "students graph": self.graph
            * sum(parts.losses.off(u, v, S) for u, v in ((images, texts), (images, images), (texts, texts))),
        }


def mix(S: Any) -> Any:
    """(b, b) shares of .7, .2 and .1 of a pair itself and its two nearest others under S."""
    from torch import eye

    own = eye(len(S), device=S.device)
    shares = S.new_tensor([0.7, 0.2, 0.1])
    order = (S + own * (1 + S.max())).topk(min(3, len(S)), dim=1).indices  # itself comes first
    return S.new_zeros(S.shape).scatter(1, order, shares[: order.shape[1]].expand(len(S), -1))
