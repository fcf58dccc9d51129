"""Scene graph semantic inference network (SGSIN: Pei, Zhong, Yu, Wang & Lakshmanna, "Scene graph semantic inference for
image and text matching", ACM TALLIP 2023).

Scene graphs, similarities and loss are those of `sgm`. Before they are compared, things and relations of an item infer
each other, by attention from one level to the other:

    o_i <- o_i + A sum_j a_ij r_j,   a_i = softmax_j(9 cos(o_i, r_j)),   and relations from things likewise

The paper infers along the edges of a parsed graph, where a relation joins the two things it is about; nothing is parsed
here, so that all things and all relations of an item are joined, and attention says how closely.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from diptych import parts
from diptych.methods.tokens.sgm import SGM, SHARPNESS
from diptych.parts.fitted import AtLeast


@dataclass
class SGSIN(SGM):
    """rounds is how often the levels infer each other, and without any it is `sgm`, as are the other settings."""

    rounds: Annotated[int, AtLeast(0)] = 1

    def afterwards(self) -> list[Any]:
        return [parts.graphs.Interaction(self.dims, SHARPNESS) for _ in range(self.rounds)]
