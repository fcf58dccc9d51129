"""Cross-modal generative adversarial networks (CM-GANs: Peng & Qi, ACM TOMM 2019).

Two autoencoders, the last layer of whose encoders is one for both sides, play against four discriminators:

    within a side    D(x) against D(x^), x^ decoded from the common row s of x
    across sides     C_x(s_x, x) against C_x(s_y, x) and C_x(s_x', x), x' another picture: does a common row come from
                     the picture that stands beside it? and the same for texts

    min over the autoencoders   label entropy + log(1 - D(x^)) + log(1 - C(s_other, x)) + reconstruction
    min over the discriminators   -log D(x) - log(1 - D(x^)) - log C(s_own, x)
                                  - log(1 - C(s_other, x)) / 2 - log(1 - C(s_another, x)) / 2

Reconstruction is ours, a mean absolute difference of x and x^ that helps the decoders; weighed 0, the discriminators
alone teach them, as in the paper. Normalisation of batches is each side's own, though the layer it follows is shared.
Rows x have length 1.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.method import Batch, Descent, Player
from diptych.parts.fitted import AtLeast


@dataclass
class CMGANs(Descent):
    """within, across and reconstruction weigh what the autoencoders learn besides the labels."""

    needs = "labels"
    hidden: Annotated[int, AtLeast(1)] = 1024
    dims: Annotated[int, AtLeast(1)] = 1024
    within: Annotated[float, AtLeast(0)] = 0.1
    across: Annotated[float, AtLeast(0)] = 0.1
    reconstruction: Annotated[float, AtLeast(0)] = 1.0
    batch: Annotated[int, AtLeast(3)] = 64
    momentum: float = 0.5

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def normalised(width: int) -> list[Any]:
            return [nn.BatchNorm1d(width), nn.LeakyReLU(0.2)]

        shared = nn.Linear(self.hidden, self.dims)

        def side(name: str, width: int) -> dict[str, Any]:
            own = parts.heads.mlp(width, self.hidden), *normalised(self.hidden)
            return {
                f"{name}s": nn.Sequential(*own, shared, *normalised(self.dims)),
                f"{name}_decoder": parts.heads.layers(self.dims, self.dims, width),
                f"{name}_within": nn.Linear(width, 1),
                f"{name}_across": nn.Sequential(nn.Linear(self.dims + width, 512), *normalised(512), nn.Linear(512, 1)),
            }

        image_width, text_width = parts.heads.widths(facts)
        return parts.heads.Network(
            **side("image", image_width), **side("text", text_width), labels=nn.Linear(self.dims, facts["classes"])
        )

    def players(self, net: Any) -> list[Player]:
        judges = [net.image_within, net.image_across, net.text_within, net.text_across]
        of_judges = [parameter for judge in judges for parameter in judge.parameters()]
        known = set(map(id, of_judges))
        others = [parameter for parameter in net.parameters() if id(parameter) not in known]
        return [Player("discriminators", of_judges, self.judged), Player("autoencoders", others, self.loss)]

    def sides(self, net: Any, images: Any, texts: Any, batch: Batch) -> list[tuple[Any, ...]]:
        """Of each side: rows x, what is decoded of them, D, and C of a common row with x."""
        import torch

        found = []
        for name, rows, own in (("image", batch.images, images), ("text", batch.texts, texts)):
            x = parts.heads.UnitLength()(rows)
            across = getattr(net, f"{name}_across")
            made = getattr(net, f"{name}_decoder")(own)
            found.append((x, made, getattr(net, f"{name}_within"), lambda s, x=x, C=across: C(torch.cat([s, x], 1))))
        return found

    def judged(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        """What the discriminators lower."""
        (x, x_made, D_x, C_x), (y, y_made, D_y, C_y) = self.sides(net, images, texts, batch)
        told_apart = parts.losses.told_apart

        def across(C: Any, own: Any, other: Any) -> Any:
            real = C(own)
            return (told_apart(real, C(other)) + told_apart(real, C(own.roll(1, dims=0)))) / 2

        return {
            "within": told_apart(D_x(x), D_x(x_made)) + told_apart(D_y(y), D_y(y_made)),
            "across": across(C_x, images, texts) + across(C_y, texts, images),
        }

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        (x, x_made, D_x, C_x), (y, y_made, D_y, C_y) = self.sides(net, images, texts, batch)
        fake = parts.losses.passes_for_fake
        return {
            "labels": sum(parts.losses.label_entropy(net.labels(side), batch.labels) for side in (images, texts)),
            "within": self.within * (fake(D_x(x_made)) + fake(D_y(y_made))),
            "across": self.across * (fake(C_x(texts)) + fake(C_y(images))),
            "reconstruction": self.reconstruction * ((x_made - x).abs().mean() + (y_made - y).abs().mean()),
        }
