"""How the figures of a report are said."""

from __future__ import annotations

from diptych.kinds import Report

ASK = {"i2t": "Pictures ask for texts", "t2i": "Texts ask for pictures"}
"""What a direction is called on a page."""


def is_rank(metric: str) -> bool:
    """Whether a metric is a rank, where smaller is better, and not a share."""
    return metric in ("medr", "meanr")


def figure(metric: str, value: float) -> str:
    """A value as it is printed: percent with one decimal, or a rank with one."""
    return f"{value if is_rank(metric) else 100 * value:.1f}"


def meaning(metric: str) -> str:
    """A metric in words, e.g. `r@5`: a right answer among the first 5."""
    name, _, rest = metric.partition("@")
    k, _, normaliser = rest.partition(":")
    first = f"the first {k}" if k not in ("", "all") else "the whole ranking"
    if name == "map":
        divided = {"": f"min(R, {k})", "hits": "the right answers found", "first": "the answers looked at"}[normaliser]
        return f"mean average precision over {first}" + ("" if k == "all" else f", divided by {divided}")
    return {
        "r": f"queries with a right answer in {first}",
        "recall": f"right answers that are in {first}",
        "p": f"share of {first} that is right",
        "ndcg": f"discounted cumulative gain of {first}, of its best value",
        "mrr": f"1 / rank of the first right answer, in {first}",
        "medr": "rank of the first right answer, median",
        "meanr": "rank of the first right answer, mean",
    }[name]


def rsum(report: Report) -> str:
    """The rsum as papers print it, in percent, so at most 600; "" where it was not measured."""
    return "" if report.rsum is None else f"rsum {100 * report.rsum:.1f} of 600 (r@1, r@5 and r@10, both directions)"


def cut(text: str, most: int) -> str:
    """At most about `most` characters, cut between words, or inside one that is very long."""
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    head = text[:most]
    at = head.rfind(" ")
    return head[: at if at > most // 2 else most].rstrip(" ,;:.") + " …"
