"""Bimodal deep autoencoder (Ngiam, Khosla, Kim, Nam, Lee & Ng, ICML 2011).

    min  sum over what is shown, (x, y), (x, 0) and (0, y), of  ||x - x^(code)||^2 + ||y - y^(code)||^2

Each side's own layer feeds one layer of codes, code = tanh(A f(x) + B g(y)), and a side that is not shown feeds
nothing. So the code of one side alone has to tell of both, and finds items of the other.

The paper trains each layer as a restricted Boltzmann machine beforehand. Here the layer of codes starts where the
linear autoencoder of both sides' own layers has its optimum, the principal directions of them side by side, and
batches are normalised before the tanh. Rows x and y have length 1.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from diptych import parts
from diptych.kinds import Pairs
from diptych.method import Batch, Descent
from diptych.parts.algebra import top_eigen
from diptych.parts.fitted import AtLeast


@dataclass
class BimodalAE(Descent):
    """own is the width of each side's own layer, dims that of the codes."""

    own: Annotated[int, AtLeast(1)] = 1024
    dims: Annotated[int, AtLeast(1)] = 64
    batch: int = 64
    rate: float = 3e-4

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def encoder(width: int) -> Any:
            own = nn.Sequential(parts.heads.mlp(width, self.own), nn.ReLU())
            return nn.Sequential(
                own, nn.Linear(self.own, self.dims), nn.BatchNorm1d(self.dims, affine=False), nn.Tanh()
            )

        image_width, text_width = parts.heads.widths(facts)
        return parts.heads.Network(
            images=encoder(image_width),
            texts=encoder(text_width),
            to_image=parts.heads.layers(self.dims, self.own, image_width),
            to_text=parts.heads.layers(self.dims, self.own, text_width),
        )

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        if epoch > 0:
            return
        import torch

        sides = [self.outputs(net.images[0], train.images)[train.owner], self.outputs(net.texts[0], train.texts)]
        centred = [(rows - rows.mean(axis=0)) / rows.std() for rows in sides]
        both = np.hstack(centred).astype(np.float64)
        _, axes = top_eigen(both.T @ both / len(both), self.dims)
        for encoder, share in ((net.images, axes[: self.own]), (net.texts, axes[self.own :])):
            with torch.no_grad():
                encoder[1].weight[: share.shape[1]] = torch.from_numpy(share.T)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        squash = net.images[-1]
        both = squash(net.images[:-1](batch.images) + net.texts[:-1](batch.texts))
        x, y = (parts.heads.UnitLength()(rows) for rows in (batch.images, batch.texts))
        shown, apart = {"both": both, "image": images, "text": texts}, parts.losses.reconstruction
        return {name: apart(net.to_image(code), x) + apart(net.to_text(code), y) for name, code in shown.items()}
