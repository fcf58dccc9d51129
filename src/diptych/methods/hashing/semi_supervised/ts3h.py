"""Three-stage semi-supervised hashing, TS3H (Fan, Zhang, Li, Wu, Ye & Wang, IEEE Transactions on Neural Networks and
Learning Systems 2023).

    labels     min_{U,W}  Σ_m [ ||U - X_m W_m||² + λ ||W_m||² + θ ||(X_m W_m) U' - L̃ L̃'||² ]
               a pair without labels has max(0, (X_1 W_1 + X_2 W_2) / 2)
    codes      min_{E,H,P}  ||L - E P||² + α ||k L̃ L̃' - H E'||² + β ||H - E||²      H in {-1, 1}, E'E = n I, E'1 = 0
    functions  min_T  Σ_m ||H - X_m T_m||² + σ ||T_m||²

for the two sides m, L̃ the rows of labels scaled to length 1: W learns what U, like labels are, from the pairs that have
labels, and guesses softly for all others; codes H of k bits are found from labels alone, E standing for them where they
are asked twice; and learned by the features of either side. All unknowns have closed forms, and L̃ L̃' is never made. A
code is sgn(x T_m).

`alike` is α k n, so that it means the same for any number of pairs.
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np

from diptych.kinds import Array
from diptych.method import Alternating, SomeLabels
from diptych.parts.algebra import unit
from diptych.parts.bits import signs
from diptych.parts.fitted import Above, AtLeast
from diptych.parts.rows import Rows, squares


@dataclass
class TS3H(SomeLabels, Alternating):
    """ridge is λ, supervise θ, quantise β and decay σ; the paper has 500 landmarks of pictures and 1000 of texts.

    What is recorded is the objective of the codes.
    """

    landmarks: Annotated[int, AtLeast(0)] = 500
    ridge: Annotated[float, Above(0)] = 1e-2
    supervise: Annotated[float, AtLeast(0)] = 10.0
    alike: Annotated[float, AtLeast(0)] = 50.0
    quantise: Annotated[float, Above(0)] = 0.1
    decay: Annotated[float, Above(0)] = 0.1
    rounds: Annotated[int, AtLeast(0)] = 6

    def start(self, X: Array, Y: Array, L: Any) -> Any:
        known = L.any(axis=1)
        guessed = self.guessed((X, Y), known, unit(L[known]))
        now = SimpleNamespace(L=unit(L) + ~known[:, None] * guessed, sides=[Rows(rows, self.decay) for rows in (X, Y)])
        now.alike = unit(now.L)
        now.E = upright(np.random.default_rng(self.seed).standard_normal((len(X), self.bits)))
        now.H = signs(now.E)
        self.project(now)
        return now

    def guessed(self, sides: tuple[Array, Array], known: Array, L: Array) -> Array:
        """(n, C) max(0, (X_1 W_1 + X_2 W_2) / 2) of all pairs; L (l, C) of the known ones."""
        shown = [rows[known] for rows in sides]
        spread = [np.linalg.eigh(rows.T @ rows) for rows in shown]
        U = L
        W = [np.zeros((rows.shape[1], L.shape[1])) for rows in sides]
        for _ in range(self.rounds):
            inner, Q = np.linalg.eigh(np.eye(L.shape[1]) + self.supervise * U.T @ U)
            told = (U + self.supervise * L @ (L.T @ U)) @ Q / inner
            for t, (rows, (values, V)) in enumerate(zip(shown, spread, strict=True)):
                W[t] = V @ (V.T @ (rows.T @ told) / (values[:, None] + self.ridge / inner)) @ Q.T
            Z = [rows @ side for rows, side in zip(shown, W, strict=True)]
            total = sum(Z) + self.supervise * L @ (L.T @ sum(Z))
            U = np.linalg.solve(2 * np.eye(L.shape[1]) + self.supervise * sum(one.T @ one for one in Z), total.T).T
        return np.maximum(sum(rows @ side for rows, side in zip(sides, W, strict=True)) / 2, 0)

    def steps(self) -> Any:
        return self.sign, self.project, self.lift

    def sign(self, now: Any) -> None:
        now.H = signs(self.alike / len(now.E) * now.alike @ (now.alike.T @ now.E) + self.quantise * now.E)

    def project(self, now: Any) -> None:
        now.P = now.E.T @ now.L / len(now.E)

    def lift(self, now: Any) -> None:
        told = self.alike / len(now.E) * now.alike @ (now.alike.T @ now.H)
        now.E = upright(now.L @ now.P.T + self.quantise * now.H + told)

    def objective(self, now: Any) -> float:
        n, k = now.E.shape
        same = float(np.vdot(now.alike.T @ now.H, now.alike.T @ now.E))
        alike = k / n * squares(now.alike.T @ now.alike) - 2 / n * same + n
        total = squares(now.L - now.E @ now.P) + self.alike * alike + self.quantise * squares(now.H - now.E)
        return float(total)

    def maps(self, now: Any) -> tuple[Array, Array]:
        A, B = (side.function(now.H) for side in now.sides)
        return A, B

    def codes(self, now: Any) -> tuple[Array, Array]:
        return now.H, now.H


def upright(told: Array) -> Array:
    """E (n, k) that maximises tr E'told under E'E = n I and E'1 = 0."""
    U, _, Vt = np.linalg.svd(told - told.mean(axis=0), full_matrices=False)
    return np.asarray(np.sqrt(len(told)) * U @ Vt)
