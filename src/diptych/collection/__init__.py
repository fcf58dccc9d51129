"""Pictures that can be found: a folder with a SQLite file that holds the truth, and indexes beside it for speed."""

from diptych.collection.arguments import Allowed, Ids, Number
from diptych.collection.collection import Collection, Forgotten
from diptych.collection.duplicates import Duplicates
from diptych.collection.entries import Entry
from diptych.collection.facets import Bin
from diptych.collection.feedback.experiment import Experiment
from diptych.collection.feedback.feedback import Feedback
from diptych.collection.feedback.interleaving import Comparison, Interleaved, interleave
from diptych.collection.feedback.learning import Learned
from diptych.collection.feedback.log import Event
from diptych.collection.feedback.marks import Marks
from diptych.collection.ingest import Ingested
from diptych.collection.items import Item
from diptych.collection.query import Query, Term
from diptych.collection.schemes import Closer, Reworder
from diptych.collection.search import Answer, Hit
from diptych.collection.store import Damaged, Locked, OtherEncoder, TooLong
from diptych.collection.verdict import Calibration, Thresholds
from diptych.collection.waiting import Waiting

__all__ = [
    "Allowed",
    "Answer",
    "Bin",
    "Calibration",
    "Closer",
    "Collection",
    "Comparison",
    "Damaged",
    "Duplicates",
    "Entry",
    "Event",
    "Experiment",
    "Feedback",
    "Forgotten",
    "Hit",
    "Ids",
    "Ingested",
    "Interleaved",
    "Item",
    "Learned",
    "Locked",
    "Marks",
    "Number",
    "OtherEncoder",
    "Query",
    "Reworder",
    "Term",
    "Thresholds",
    "TooLong",
    "Waiting",
    "interleave",
]
