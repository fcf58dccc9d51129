"""Semi-supervised deep quantisation, SSDQ (Wang, Zhu & Liu, ACM Multimedia 2019).

    J = Σ_m ||x_m - D_m(z_m)||²  +  pairs ||z_I - z_T||²  +  labels Σ_labelled [ NLL(z_I z_T' / 2, S) + H(W'Cb, y) ]
        +  quantise Σ_m ||z_m - C b_m||²  +  matching MMD²(z_I, z_T)  +  constant Var( Σ_{i≠j} b_i'C_i'C_j b_j )

for the two sides m: autoencoders of both meet in one space z, where an item is a sum Cb of words, one of each book C_i
(composite quantisation). What features hold and who belongs to whom is learned from all pairs; S, who shares a label,
and the classifier W on what is left of an item, from those that have labels. b is solved for anew in every step.

Rows that ask are not quantised: the space is `tables`, and an item has as many bytes as there are books. Words whose
books' products are alike for all items (the last term) make those distances right.

Reconstruction: from the abstract. The terms are the paper's; their weights, NLL the mean of log(1 + e^T) - S T, and
that words go down the same loss as the networks, past b straight through, are ours.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import Array, Pairs, tables
from diptych.method import Batch, Descent, SomeLabels
from diptych.parts.fitted import AtLeast, Below


@dataclass
class SSDQ(SomeLabels, Descent):
    """books is how many bytes an item has, words how many stand in a book; remake weighs the autoencoders."""

    space = tables
    books: Annotated[int, AtLeast(1)] = 4
    words: Annotated[int, AtLeast(2), Below(257)] = 256
    dims: Annotated[int, AtLeast(1)] = 32
    hidden: Annotated[int, AtLeast(1)] = 512
    remake: Annotated[float, AtLeast(0)] = 0.1
    pairs: Annotated[float, AtLeast(0)] = 1.0
    labels: Annotated[float, AtLeast(0)] = 1.0
    quantise: Annotated[float, AtLeast(0)] = 1.0
    matching: Annotated[float, AtLeast(0)] = 0.1
    constant: Annotated[float, AtLeast(0)] = 0.1
    batch: Annotated[int, AtLeast(3)] = 256

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        heads, widths = parts.heads, parts.heads.widths(facts)
        books = parts.codebooks.Codebooks(self.books, self.words, self.dims)
        images, texts = (heads.Headed(heads.coder(width, self.hidden, self.dims), books) for width in widths)
        return heads.Network(
            images,
            texts,
            decoders=nn.ModuleList([heads.layers(self.dims, self.hidden, width) for width in widths]),
            reader=nn.Linear(self.dims, facts["classes"]),
        )

    def epoch_start(self, net: Any, train: Pairs, epoch: int) -> None:
        from torch import cat, from_numpy

        if epoch == 0:
            rows = [self.outputs(net.images.body, train.images), self.outputs(net.texts.body, train.texts)]
            net.images.head.start(cat([from_numpy(side) for side in rows]).to(net.reader.weight.device))

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        from torch import cat

        losses, books, unit, scale = parts.losses, net.images.head, parts.heads.UnitLength(), self.dims
        z = cat([images, texts])
        taken = books.codes(books(z))
        words = books.sums(taken)
        known = batch.labels.any(dim=1)
        L, read = batch.labels[known], net.reader(words + z - z.detach())
        made = zip(net.decoders, (images, texts), (batch.images, batch.texts), strict=True)
        terms = {
            "remake": self.remake * sum(losses.reconstruction(to(rows), unit(x)) for to, rows, x in made),
            "pairs": self.pairs * losses.reconstruction(images, texts) / scale,
            "quantise": self.quantise * 2 * losses.reconstruction(z, words) / scale,
            "matching": self.matching * losses.discrepancy(images, texts, 1 / scale),
            "constant": self.constant * books.across(taken).var() / scale**2,
        }
        if known.any():
            theta = images[known] @ texts[known].T / 2
            terms["alike"] = self.labels * losses.pair_likelihood(theta, parts.targets.shared_label(L))
            terms["labels"] = self.labels * sum(losses.label_entropy(one[known], L) for one in read.chunk(2))
        return terms

    def stored(self, rows: Array) -> Array:
        from torch import from_numpy

        books = self.trained().images.head
        taken: Array = books.codes(from_numpy(rows).to(books.words.device)).cpu().numpy()
        return taken.astype("u1")
