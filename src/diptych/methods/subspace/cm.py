"""Correlation matching (Rasiwasia, Costa Pereira, Coviello, Doyle, Lanckriet, Levy & Vasconcelos, ACM MM 2010).

Pictures and texts meet in the first `dims` canonical directions, compared by normalised correlation: canonical
correlation analysis with few directions, a light ridge, and every direction counting alike.
"""

from dataclasses import dataclass
from typing import Annotated

from diptych.methods.subspace.cca import CCA
from diptych.parts.fitted import AtLeast


@dataclass
class CM(CCA):
    dims: Annotated[int, AtLeast(1)] = 7
    ridge: Annotated[float, AtLeast(0)] = 0.1
    power: Annotated[float, AtLeast(0)] = 0.0
