"""Steps along a gradient: AdamW (Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019).

The computing is torch's own, bit for bit. Its `Optimizer` is done without: the first one of a process loads torch's
compiler, which takes longer than torch itself and than many a training.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw


class AdamW:
    """Moves parameters by the gradients they have; those without one stay.

    momentum   beta_1; beta_2 is .999 and epsilon 1e-8
    decay      weight decay of matrices; biases and single numbers do not decay
    """

    def __init__(self, parameters: Iterable[Tensor], momentum: float = 0.9, decay: float = 0.01) -> None:
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        self._groups = (
            (decay, [parameter for parameter in trained if parameter.ndim > 1]),
            (0.0, [parameter for parameter in trained if parameter.ndim <= 1]),
        )
        self.parameters = [parameter for _, group in self._groups for parameter in group]
        self.momentum = momentum
        self._moments: dict[Tensor, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def step(self, rate: float) -> None:
        for decay, group in self._groups:
            moved = [parameter for parameter in group if parameter.grad is not None]
            for parameter in moved:
                if parameter not in self._moments:
                    self._moments[parameter] = _none_yet(parameter)
            moments = [self._moments[parameter] for parameter in moved]
            if moved:
                with torch.no_grad():
                    adamw(
                        moved,
                        [parameter.grad for parameter in moved if parameter.grad is not None],
                        [one["exp_avg"] for one in moments],
                        [one["exp_avg_sq"] for one in moments],
                        [],
                        [one["step"] for one in moments],
                        fused=True,
                        amsgrad=False,
                        beta1=self.momentum,
                        beta2=0.999,
                        lr=rate,
                        weight_decay=decay,
                        eps=1e-8,
                        maximize=False,
                    )

    def state_dict(self) -> dict[str, Any]:
        """The moments by place among the parameters, as torch's own AdamW keeps them."""
        kept = enumerate(self.parameters)
        return {"state": {place: self._moments[one] for place, one in kept if one in self._moments}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for place, moments in state["state"].items():
            parameter = self.parameters[place]
            self._moments[parameter] = {name: tensor.to(parameter.device) for name, tensor in moments.items()}


def _none_yet(parameter: Tensor) -> dict[str, Tensor]:
    zeros = torch.zeros_like(parameter, requires_grad=False)
    return {"step": torch.zeros((), device=parameter.device), "exp_avg": zeros, "exp_avg_sq": zeros.clone()}
