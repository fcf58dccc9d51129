"""Deep semantic-aware proxy hashing (Huo, Qin, Dai, Wang, Zhang, Huang & Wang, TCSVT 2024).

    min  Σ_m [mean_{c in l_i} (1 - cos(h_i, p_c)) + mean_{c not in l_i} max(0, cos(h_i, p_c) - d)]
       + pairs Σ_{m,m'} mean_{i,j} max(0, cos(h_i, h'_j) - d)

over the outputs h of each side m and a proxy p_c for each label, which both sides share: an item goes to the proxies of
all its labels and from those of others. Proxies know no pair, so the second line keeps apart items of several labels
that share none. d is the cosine at which as many codes as there are labels can lie from each other by the Hamming
bound.

The released code reads d from a table of that bound; here it is computed. The paper fine-tunes CLIP; here two layers
read features.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.kinds import hamming
from diptych.method import Batch, Descent
from diptych.parts.fitted import AtLeast


@dataclass
class DSPH(Descent):
    """pairs is the paper's alpha."""

    needs = "labels"
    space = hamming
    bits: Annotated[int, AtLeast(1)] = 64
    hidden: Annotated[int, AtLeast(1)] = 512
    pairs: Annotated[float, AtLeast(0)] = 0.8
    batch: Annotated[int, AtLeast(3)] = 256
    rate: float = 3e-3

    def network(self, facts: dict[str, Any]) -> Any:
        from torch import nn

        proxies = nn.Linear(self.bits, facts["classes"], bias=False)
        return parts.heads.coders(facts, self.hidden, self.bits, nn.Tanh, proxies=proxies)

    def loss(self, net: Any, images: Any, texts: Any, batch: Batch) -> dict[str, Any]:
        cosines, proxies = parts.losses.cosines, net.proxies.weight
        own, several = batch.labels, batch.labels.sum(dim=1) > 1
        d = 1 - 2 * parts.codes.packed_apart(self.bits, len(proxies)) / self.bits
        near = [cosines(side, proxies) for side in (images, texts)]
        strangers = (1 - parts.targets.shared_label(own)) * several * several[:, None]
        ways = ((images, images), (texts, texts), (images, texts))
        return {
            "own": sum(mean(1 - table, own) for table in near),
            "others": sum(mean((table - d).relu(), 1 - own) for table in near),
            "pairs": self.pairs * sum(mean((cosines(*way) - d).relu(), strangers) for way in ways),
        }


def mean(table: Any, where: Any) -> Any:
    """The mean of a table over the places where the other is 1; 0 where there are none."""
    return (table * where).sum() / where.sum().clamp(min=1)
