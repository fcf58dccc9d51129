"""How far schemes with a language model carry on postcards, and with how much noise in its answers they stop helping.

The oracle of the postcards answers, and says something untrue as often as `noise` says: so often is the scene that it
describes another, or a question one that was asked before. Encoder: `mini`. Each line is kept as it comes, so work that
was interrupted goes on.

    python bench/language_models.py [--keep RESULTS.json] [--json] [--svg docs/images/language-models.svg]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from diptych.flow import schemes
from diptych.language_models import shelf

NOISE = (0.0, 0.1, 0.2, 0.3, 0.5)
QUERIES = {"composed": 0, "composed_once": 0, "dialogue": 300, "feedback": 150, "shortlist": 200}
"""The first so many of a protocol; 0 is all."""

SCHEMES = (
    ("cirevl", "composed", "r@10"),
    ("cirevl", "composed_once", "r@1"),
    ("eiirwqr", "feedback", "found by page 5"),
    ("chatir", "dialogue", "hits@10 after 10"),
    ("yesno", "shortlist", "r@1"),
    ("listwise", "shortlist", "r@1"),
    ("internlm_choice", "shortlist", "r@1"),
)
"""Scheme, protocol, and the measure that is drawn."""


def run(file: Path | None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text()) if file is not None and file.exists() else {}
    for noise in NOISE:
        for scheme, protocol, _ in SCHEMES:
            key = f"{scheme} {protocol} {noise:g}"
            if key not in found:
                model = shelf.measured(f"oracle@noise={noise:g}")
                told = schemes.measure(scheme, "postcards", model, protocol=protocol, queries=QUERIES[protocol])
                found[key] = told.facts()
                if file is not None:
                    file.write_text(json.dumps(found, indent=1) + "\n")
                first = {row: round(next(iter(values.values())), 3) for row, values in told.rows.items()}
                print(key, first, file=sys.stderr, flush=True)
    return found


def drawn(found: dict[str, Any]) -> str:
    """A panel a scheme: its measure over noise, and the best that is reached without it as a line."""
    made = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 470" font-family="sans-serif" font-size="11">']
    made.append('<rect width="740" height="470" fill="#fff"/>')
    across = 4
    wide = 740 // across
    for place, (scheme, protocol, metric) in enumerate(SCHEMES):
        row, column = divmod(place, across)
        left, right, top, bottom = column * wide + 34, (column + 1) * wide - 10, 220 * row + 44, 220 * row + 190
        made.append(f'<text x="{left}" y="{top - 22}" font-weight="bold" fill="#222">{scheme}, {protocol}</text>')
        made.append(f'<text x="{left}" y="{top - 8}" fill="#555">{metric}, %</text>')
        for tick in (0, 50, 100):
            y = bottom - (bottom - top) * tick / 100
            made.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#ddd"/>')
            made.append(f'<text x="{left - 4}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{tick}</text>')
        lines: dict[str, list[tuple[float, float]]] = {}
        for noise in NOISE:
            rows = found[f"{scheme} {protocol} {noise:g}"]["rows"]
            x = left + (right - left) * noise / NOISE[-1]
            without = max(row[metric] for name, row in rows.items() if name not in (scheme, "at best"))
            for colour, value in (("#0b6", rows[scheme][metric]), ("#888", without)):
                lines.setdefault(colour, []).append((x, bottom - (bottom - top) * value))
        for colour, points in lines.items():
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            made.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for tick in (0, 0.25, 0.5):
            x = left + (right - left) * tick / NOISE[-1]
            made.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle" fill="#555">{tick:g}</text>')
    made.append('<text x="370" y="455" text-anchor="middle" fill="#222">share of untrue answers of the model. ')
    made.append('<tspan fill="#0b6">Green: with it</tspan>; <tspan fill="#666">grey: the best without</tspan></text>')
    return "\n".join([*made, "</svg>"]) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="a JSON file; what stands in it is not run again")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    parser.add_argument("--svg", type=Path, help="draw it into this file")
    said = parser.parse_args()
    lines = run(said.keep)
    if said.json:
        print(json.dumps(lines))
    if said.svg:
        said.svg.write_text(drawn(lines), encoding="utf-8")
