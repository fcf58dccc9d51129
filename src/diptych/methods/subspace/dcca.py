"""Deep canonical correlation analysis (Andrew, Arora, Bilmes & Livescu, ICML 2013).

    max  ||T||_*,   T = C_uu^{-1/2} C_uv C_vv^{-1/2}

over two networks: the sum of all canonical correlations of their outputs u and v over the batch, which therefore has
to hold many times more pairs than the outputs have dimensions. Canonical correlation analysis of the outputs comes on
top, fitted anew after every epoch.

The networks start at random and take steps on batches, where the paper trains autoencoders first and takes full-batch
L-BFGS steps. The ridge is a share of the mean variance, as in `cca`, so that larger outputs cannot evade it; the sum of
square roots of the entries of T'T that a common port of the objective takes is not the nuclear norm.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import Pairs
from diptych.method import Batch, Descent
from diptych.parts.algebra import Moments, bilinear, ridged
from diptych.parts.fitted import Above, AtLeast, Below


@dataclass
class DCCA(Descent):
    """ridge is of the objective, ridge_on_top and power (as in `cca`) are of the analysis on top.

    A hidden width of 0 is no layer: that tower is linear, which is best for bags of words. Dropout is on features, too:
    it is to the networks what a ridge on features is to the linear analysis.
    """

    image_hidden: Annotated[int, AtLeast(0)] = 2048
    text_hidden: Annotated[int, AtLeast(0)] = 0
    dims: Annotated[int, AtLeast(1)] = 256
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.5
    ridge: Annotated[float, Above(0)] = 0.1
    ridge_on_top: Annotated[float, AtLeast(0)] = 0.1
    power: Annotated[float, AtLeast(0)] = 1.0
    batch: int = 2048

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def tower(width: int | None, hidden: int) -> Any:
            rows = parts.heads.mlp(width, hidden, self.dims, dropout=self.dropout)
            noisy = nn.Sequential(parts.heads.UnitLength(), nn.Dropout(self.dropout), rows[1:])
            return nn.Sequential(noisy, parts.heads.Projection(self.dims))

        return parts.heads.Network(
            tower(facts["image_width"], self.image_hidden), tower(facts["text_width"], self.text_hidden)
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        return {"correlation": -parts.losses.correlation(images, texts, self.ridge) / self.dims}

    def epoch_end(self, net: Any, train: Pairs, epoch: int) -> None:
        (images, on_images), (texts, on_texts) = net.images, net.texts
        moments = Moments().add(self.outputs(images, train.images), self.outputs(texts, train.texts), train.owner)
        M_u, M_v = ridged(moments.c_xx, self.ridge_on_top), ridged(moments.c_yy, self.ridge_on_top)
        A, B, correlations = bilinear(moments.c_xy, M_u, M_v, self.dims)
        on_images.set(moments.mean_x, A * correlations**self.power)
        on_texts.set(moments.mean_y, B * correlations**self.power)
