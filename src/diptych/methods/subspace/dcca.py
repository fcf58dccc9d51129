"""Deep canonical correlation analysis (Andrew, Arora, Bilmes & Livescu, ICML 2013).

    max  ||T||_*,   T = C_uu^{-1/2} C_uv C_vv^{-1/2}

over two networks: the sum of all canonical correlations of their outputs u and v over the batch, which therefore has
to hold many times more pairs than the outputs have dimensions. Canonical correlation analysis of the outputs comes on
top, fitted anew after every epoch.

Each network is a linear layer and a deep one beside it. They start as the regularised linear analysis, with the deep
one at nothing, where the paper trains autoencoders first; and take steps on batches, where the paper takes full-batch
L-BFGS steps. Noise on the features is to all layers what the ridge of `cca` is to the linear analysis, and the analysis
on top counts it in. The sum of square roots of the entries of T'T that a common port of the objective takes is not the
nuclear norm.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import Array, Pairs
from diptych.method import Batch, Descent, featured
from diptych.parts.algebra import Moments, bilinear, ridged, unit
from diptych.parts.fitted import Above, AtLeast, Below


@dataclass
class DCCA(Descent):
    """noise is a share of the mean variance of the features, as `ridge` of `cca` is; power is as there.

    A hidden width of 0 is no layer: that tower is linear, which is best for bags of words. ridge is of the objective,
    a share of the mean variance of the outputs.
    """

    image_hidden: Annotated[int, AtLeast(0)] = 2048
    text_hidden: Annotated[int, AtLeast(0)] = 0
    dims: Annotated[int, AtLeast(1)] = 256
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.5
    noise: Annotated[float, Above(0)] = 1.0
    ridge: Annotated[float, Above(0)] = 0.01
    power: Annotated[float, AtLeast(0)] = 1.0
    epochs: int = 10
    batch: Annotated[int, AtLeast(3)] = 2048
    rate: float = 3e-4

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def tower(width: int | None, hidden: int) -> Any:
            rows = parts.heads.noisy(width, hidden, self.dims, self.dropout, self.noise)
            return nn.Sequential(rows, parts.heads.Projection(self.dims))

        return parts.heads.Network(
            tower(facts["image_width"], self.image_hidden), tower(facts["text_width"], self.text_hidden)
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        return {"correlation": -parts.losses.correlation(images, texts, self.ridge) / self.dims}

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        import torch

        if epoch:
            return
        images, texts = featured(train.images, "images"), featured(train.texts, "texts")
        moments = Moments().add(unit(images), unit(texts), train.owner)
        M_x, M_y = ridged(moments.c_xx, self.noise), ridged(moments.c_yy, self.noise)
        A, B, _ = bilinear(moments.c_xy, M_x, M_y, self.dims)
        for side, mean, directions in ((net.images, moments.mean_x, A), (net.texts, moments.mean_y, B)):
            layer: Any = side[0][-1]
            if isinstance(layer, parts.heads.Shortcut):
                last: Any = layer.layers[-1]
                layer = layer.linear
                torch.nn.init.zeros_(last.weight)
            layer.weight.data[: directions.shape[1]] = torch.from_numpy(directions.T)
            layer.bias.data[: directions.shape[1]] = torch.from_numpy(-mean @ directions)

    def epoch_end(self, net: Any, train: Pairs, epoch: int) -> None:
        (images, on_images), (texts, on_texts) = net.images, net.texts
        u, v = self.outputs(images, train.images), self.outputs(texts, train.texts)
        moments = Moments().add(u, v, train.owner)
        M_u = ridged(moments.c_xx + self.spread(images, train.images, u), 1e-3)
        M_v = ridged(moments.c_yy + self.spread(texts, train.texts, v), 1e-3)
        A, B, correlations = bilinear(moments.c_xy, M_u, M_v, self.dims)
        on_images.set(moments.mean_x, A * correlations**self.power)
        on_texts.set(moments.mean_y, B * correlations**self.power)

    def spread(self, tower: Any, items: Any, rows: Array) -> Array:
        """(dims, dims) what noise on the features adds to the covariance of a tower's outputs, which are `rows`."""
        noise = tower[1]
        noise.always = True
        apart = self.outputs(tower, items) - rows
        noise.always = False
        added: Array = apart.T @ apart / len(apart)
        return added
