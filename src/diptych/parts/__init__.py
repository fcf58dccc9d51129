"""What methods are built from.

`from diptych import parts` reaches every part by name and loads it when it is first used, so that a method's file can
name `parts.heads` and `parts.losses` at its top and still be listed by a process that never loads torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diptych.parts import boltzmann as boltzmann
    from diptych.parts import codebooks as codebooks
    from diptych.parts import codes as codes
    from diptych.parts import graphs as graphs
    from diptych.parts import heads as heads
    from diptych.parts import losses as losses
    from diptych.parts import memory as memory
    from diptych.parts import sequences as sequences
    from diptych.parts import steps as steps
    from diptych.parts import targets as targets
    from diptych.parts import tokens as tokens
    from diptych.parts import walks as walks


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"there is no part {name!r}") from None
