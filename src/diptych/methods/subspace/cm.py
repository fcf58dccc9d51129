"""Correlation matching (Rasiwasia, Costa Pereira, Coviello, Doyle, Lanckriet, Levy & Vasconcelos, ACM MM 2010).

Pictures and texts meet in the first `dims` canonical directions, compared by normalised correlation: canonical
correlation analysis with few directions, a light ridge, and every direction counting alike.
"""

from dataclasses import dataclass

from diptych.methods.subspace.cca import CCA


@dataclass
class CM(CCA):
    dims: int = 7
    ridge: float = 0.1
    power: float = 0.0
