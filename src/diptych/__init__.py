"""Diptych: find pictures with words and words with pictures.

What applications use stands here, and is imported when it is first asked for: `import diptych as d; d.Collection`.
"""

import os
from typing import TYPE_CHECKING, Any

# Builds of onnxruntime keep an id of the machine and report to Microsoft, unless they are told not to before they load.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from diptych.catalogue import Dataset as Dataset
    from diptych.collection import Allowed as Allowed
    from diptych.collection import Answer as Answer
    from diptych.collection import Bin as Bin
    from diptych.collection import Closer as Closer
    from diptych.collection import Collection as Collection
    from diptych.collection import Comparison as Comparison
    from diptych.collection import Damaged as Damaged
    from diptych.collection import Entry as Entry
    from diptych.collection import Event as Event
    from diptych.collection import Experiment as Experiment
    from diptych.collection import Feedback as Feedback
    from diptych.collection import Hit as Hit
    from diptych.collection import Ingested as Ingested
    from diptych.collection import Interleaved as Interleaved
    from diptych.collection import Item as Item
    from diptych.collection import Learned as Learned
    from diptych.collection import Locked as Locked
    from diptych.collection import Marks as Marks
    from diptych.collection import OtherEncoder as OtherEncoder
    from diptych.collection import Reworder as Reworder
    from diptych.collection import TooLong as TooLong
    from diptych.collection import interleave as interleave
    from diptych.collection.query import Query as Query
    from diptych.collection.query import Term as Term
    from diptych.encoder import Encoder as Encoder
    from diptych.encoder import load as load
    from diptych.flow.evaluate import Evaluation as Evaluation
    from diptych.flow.evaluate import evaluate as evaluate
    from diptych.flow.fit import fit as fit
    from diptych.flow.prepare import prepare as prepare
    from diptych.flow.report.compare import Difference as Difference
    from diptych.flow.report.compare import compare as compare
    from diptych.flow.robustness import Trial as Trial
    from diptych.flow.robustness import robustness as robustness
    from diptych.kinds import BadInput as BadInput
    from diptych.kinds import Card as Card
    from diptych.kinds import Pairs as Pairs
    from diptych.kinds import Protocol as Protocol
    from diptych.kinds import Report as Report
    from diptych.kinds import Space as Space
    from diptych.kinds import cosine as cosine
    from diptych.kinds import dot as dot
    from diptych.kinds import hamming as hamming
    from diptych.kinds import l2 as l2
    from diptych.method import ClosedForm as ClosedForm
    from diptych.method import Descent as Descent
    from diptych.method import Method as Method
    from diptych.method import Streaming as Streaming

__version__ = "0.1.0"

_MODULES = {
    "catalogue": "Dataset",
    "collection": "Allowed Answer Bin Closer Collection Comparison Damaged Entry Event Experiment Feedback Hit "
    "Ingested Interleaved Item Learned Locked Marks OtherEncoder Reworder TooLong interleave",
    "collection.query": "Query Term",
    "encoder": "Encoder load",
    "flow.evaluate": "Evaluation evaluate",
    "flow.fit": "fit",
    "flow.prepare": "prepare",
    "flow.report.compare": "Difference compare",
    "flow.robustness": "Trial robustness",
    "kinds": "BadInput Card Pairs Protocol Report Space cosine dot hamming l2",
    "method": "ClosedForm Descent Method Streaming",
}
"""Module -> the names above that it has. Type checkers read the imports, Python this."""

_HOME = {name: f"diptych.{module}" for module, names in _MODULES.items() for name in names.split()}
__all__ = sorted(_HOME)


if not TYPE_CHECKING:  # a type checker that saw this would take any name for one that is there

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'diptych' has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(_HOME[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*(name for name in globals() if name.startswith("__")), *_HOME})
