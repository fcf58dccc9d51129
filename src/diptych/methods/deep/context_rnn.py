"""Recurrent texts in the context of their picture (m-RNN: Mao, Xu, Yang, Wang, Huang & Yuille, "Deep captioning with
multimodal recurrent neural networks", ICLR 2015; ranked as by Kiros, Salakhutdinov & Zemel 2014).

    min  ranking  +  context mean_t (1 - cos(w_t, m_t)),     m_t = V tanh(A w_{t-1} + B r_{t-1} + C u)

r_t is the state of the network that reads a text w_1 w_2 ..., and u the row of its picture: the text so far and the
picture together have to tell the next word. The last state is mapped to the text's row in the space of u. Ranking is
the hinge of every pair and every unmatched item of the batch, from both sides.

Simplified: m-RNN takes the likelihood of the next word over a vocabulary, and ranks by it, which no space of rows can
hold. Here words are vectors, so that the next one is told by its direction, and rows are ranked by their cosine.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from diptych import parts
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast, Below


@dataclass
class ContextRNN(Descent):
    """hidden are units of the recurrent network, and of what tells the next word; context weighs the second term.

    Texts are sequences of word vectors; of one row a text it is the only word, told from the picture alone.
    """

    image_hidden: Annotated[int, AtLeast(0)] = 1024
    cell: Literal["gru", "lstm"] = "gru"
    hidden: Annotated[int, AtLeast(1)] = 256
    dims: Annotated[int, AtLeast(1)] = 256
    dropout: Annotated[float, AtLeast(0), Below(1)] = 0.5
    margin: Annotated[float, AtLeast(0)] = 0.2
    context: Annotated[float, AtLeast(0)] = 0.1
    batch: Annotated[int, AtLeast(3)] = 128
    rate: float = 2e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        def standard(rows: Any) -> Any:
            return nn.Sequential(rows, nn.BatchNorm1d(self.dims, affine=False))

        image_width, text_width = parts.heads.widths(facts)
        known = text_width + self.hidden + self.dims
        return parts.heads.Network(
            images=standard(parts.heads.mlp(image_width, self.image_hidden, self.dims, dropout=self.dropout)),
            texts=standard(parts.sequences.Recurrent(text_width, self.hidden, self.dims, self.cell, both=False)),
            teller=parts.heads.layers(known, self.hidden, text_width, activation=nn.Tanh),
        )

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        near, same = parts.losses.cosines(images, texts), parts.targets.same_picture(batch.owner)
        ranking = parts.losses.all_triplets(near, same, self.margin)
        return {"ranking": ranking, "context": self.context * untold(net, images, batch.texts)}


def untold(net: Any, images: Any, texts: Any) -> Any:
    """mean (1 - cos) of each word and what is told from the words before it and the picture's row."""
    import torch

    reader, (words, real) = net.texts[0], parts.sequences.tokens(texts)
    states = torch.cat([reader.start.expand(len(words), 1, -1), reader.states(words, real)[0][:, :-1]], dim=1)
    before = torch.cat([torch.zeros_like(words[:, :1]), words[:, :-1]], dim=1)
    context = images[:, None].expand(-1, words.shape[1], -1)
    told = net.teller(torch.cat([before, states, context], dim=2))
    return 1 - torch.cosine_similarity(words, told, dim=2)[real].mean()
