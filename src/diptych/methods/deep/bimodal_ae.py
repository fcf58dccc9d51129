"""Bimodal deep autoencoder (Ngiam, Khosla, Kim, Nam, Lee & Ng, ICML 2011).

    min  sum over what is shown, (x, y), (x, 0) and (0, y), of  ||x - x^(code)||^2 / d_x + ||y - y^(code)||^2 / d_y

Each side's own layer feeds one layer of codes, and the code of one side alone has to rebuild both: so it tells of the
other side, too, and finds items of it. A side that is not shown is zero, its mean.

Layers are first trained as restricted Boltzmann machines, by contrastive divergence: the own layer of each side, then
that of codes on both. They are then unrolled, weights down being weights up turned around, and learn by the equation.
The paper's 0 and 1 are -1/2 and 1/2 here, as codes are compared by cosine.

Simplified: the paper's machines have sparse units; these have not.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import Pairs
from diptych.method import Batch, Descent, featured
from diptych.parts.fitted import Above, AtLeast, Below

X, OWN_X, CODE, OWN_Y, Y = range(5)  # places of layers in the chain


@dataclass
class BimodalAE(Descent):
    """own is the width of each side's own layer, dims that of codes; pretraining the share of steps of the machines."""

    own: Annotated[int, AtLeast(1)] = 512
    dims: Annotated[int, AtLeast(1)] = 64
    pretraining: Annotated[float, Above(0), Below(1)] = 0.4
    batch: int = 64
    rate: float = 5e-3
    patience: int = 20

    def network(self, facts: dict[str, Any]) -> Any:
        boltzmann, (image_width, text_width) = parts.boltzmann, parts.heads.widths(facts)
        hidden = [boltzmann.Binary(width) for width in (self.own, self.dims, self.own)]
        chain = boltzmann.Chain(boltzmann.Gaussian(image_width), *hidden, boltzmann.Gaussian(text_width))
        return parts.heads.Network(*(boltzmann.Side(chain, place, self.code) for place in (X, Y)))

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        if epoch == 0:
            net.images.layer.begin(featured(train.images, "images"))
            net.texts.layer.begin(featured(train.texts, "texts"))

    def code(self, chain: Any, shown: dict[int, Any]) -> Any:
        """(b, dims) of one side or both; states of a side that is not shown are zero."""
        given = next(iter(shown.values()))
        seen = {side: given.new_zeros(1, chain.layers[side].width) for side in (X, Y)} | shown
        own = {place: chain.mean(place, {side: seen[side]}) for side, place in ((X, OWN_X), (Y, OWN_Y))}
        return chain.mean(CODE, own)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        chain = net.images.chain
        if batch.done < self.pretraining:
            return {"divergence": parts.boltzmann.greedy(chain, images, texts, batch.done / self.pretraining)}

        def missed(shown: dict[int, Any]) -> Any:
            top = {CODE: self.code(chain, shown)}
            own = {place: chain.mean(place, top) for place in (OWN_X, OWN_Y)}
            made = {side: chain.mean(side, own) for side in (X, Y)}
            return (made[X] - images).square().mean() + (made[Y] - texts).square().mean()

        return {"both": missed({X: images, Y: texts}), "image": missed({X: images}), "text": missed({Y: texts})}
