"""What an evaluation leaves in a folder: numbers for machines, runs for trec_eval and one page for people.

Also how reports differ.
"""

from diptych.flow.report.compare import Difference, compare
from diptych.flow.report.page import RUN_DEPTH, writable, write
from diptych.flow.report.words import figure, is_rank, rsum

__all__ = ["RUN_DEPTH", "Difference", "compare", "figure", "is_rank", "rsum", "writable", "write"]
