"""Multimodal deep Boltzmann machine (Srivastava & Salakhutdinov, NeurIPS 2012; JMLR 15, 2014).

    p(x, y) = sum over hidden layers of exp(-E) / Z,   layers in a row:  x - h1 - ... - joint - ... - g1 - y

Pictures are Gaussian units, texts counts of words drawn from one softmax. Layers are first trained from both ends as
restricted machines, by contrastive divergence; then all together up the likelihood,

    d log p = -<dE> with x and y shown, other layers by mean field  +  <dE> of the model, by Gibbs sampling.

The code of a picture is the joint layer by mean field with the picture shown and the layers of the text inferred with
it, and the same for texts.

Simplified: the paper's Markov chains persist from step to step, which asks for more and smaller steps than there are
here: they start anew at the means, as in contrastive divergence. It doubles weights in pretraining, for the layer that
a machine does not have yet; here layers learn together from what they are. It infers a text by sampling, here it is a
mean; and its units of 0 and 1 are -1/2 and 1/2, since joint layers are compared by cosine.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from diptych import parts
from diptych.kinds import Pairs
from diptych.method import Batch, Descent, featured
from diptych.parts.fitted import Above, AtLeast, Below


@dataclass
class MultimodalDBM(Descent):
    """path has the widths of the hidden layers of each side, from the visible one on; dims is that of the joint layer.

    units        what texts are: `counts` of words of which a text has `words`, or `gaussian` for features below 0, too
    pretraining  share of the steps in which layers learn one by one
    rounds       of mean field
    sweeps       of Gibbs sampling a step
    """

    path: Annotated[tuple[int, ...], AtLeast(1)] = (256,)
    dims: Annotated[int, AtLeast(1)] = 128
    units: Literal["counts", "gaussian"] = "counts"
    words: Annotated[int, AtLeast(1)] = 50
    pretraining: Annotated[float, Above(0), Below(1)] = 0.4
    rounds: Annotated[int, AtLeast(1)] = 5
    sweeps: Annotated[int, AtLeast(1)] = 3
    batch: int = 64
    rate: float = 5e-3
    patience: int = 20

    def network(self, facts: dict[str, Any]) -> Any:
        boltzmann, (image_width, text_width) = parts.boltzmann, parts.heads.widths(facts)
        counts = self.units == "counts"
        text = boltzmann.Counts(text_width, self.words) if counts else boltzmann.Gaussian(text_width)
        hidden = [boltzmann.Binary(width) for width in (*self.path, self.dims, *reversed(self.path))]
        chain = boltzmann.Chain(boltzmann.Gaussian(image_width), *hidden, text)
        return parts.heads.Network(
            images=boltzmann.Side(chain, 0, self.code),
            texts=boltzmann.Side(chain, len(hidden) + 1, self.code),
        )

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        if epoch == 0:
            net.images.layer.begin(featured(train.images, "images"))
            net.texts.layer.begin(featured(train.texts, "texts"))

    def code(self, chain: Any, shown: dict[int, Any]) -> Any:
        """(b, dims) means of the joint layer given the sides that are shown."""
        return chain.settle(shown, self.rounds)[len(self.path) + 1]

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        import torch

        chain = net.images.chain
        if batch.done < self.pretraining:
            return {"divergence": parts.boltzmann.greedy(chain, images, texts, batch.done / self.pretraining)}
        with torch.no_grad():
            settled = drawn = chain.settle({0: images, net.texts.place: texts}, self.rounds)
            for _ in range(self.sweeps):
                drawn = chain.sweep(drawn)
        return {"likelihood": chain.energy(settled).mean() - chain.energy(drawn).mean()}
