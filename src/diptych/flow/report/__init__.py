"""What an evaluation leaves in a folder: numbers for machines, runs for trec_eval and one page for people.

Also how reports differ, and the board on which all that was measured stands.
"""

from diptych.flow.report.compare import Difference, compare
from diptych.flow.report.leaderboard import Line, best_first, measured, reported
from diptych.flow.report.leaderboard import page as board
from diptych.flow.report.page import RUN_DEPTH, writable, write
from diptych.flow.report.words import figure, is_rank, rsum

__all__ = [
    "RUN_DEPTH",
    "Difference",
    "Line",
    "best_first",
    "board",
    "compare",
    "figure",
    "is_rank",
    "measured",
    "reported",
    "rsum",
    "writable",
    "write",
]
