"""What an item may weigh: how well captions find their picture when pictures are kept in ever fewer bytes.

Pictures and captions of Flickr8k as the encoder `mini` gives them, 256 numbers each. Ways to keep a picture, learned on
3,000 training pictures with their captions, are asked by the captions of dev as they are (asymmetric) but for two
kinds of codes, where what asks is a code, too:

    floats     float32 and float16, whole; and the leading columns of `pls` alone, whose order lets them be cut as
               Matryoshka rows are
    int8       a byte a column, whole and cut likewise
    product    product quantisation (Jégou et al. 2011, Faiss): a byte for each group of columns
    codes      bits learned from pairs (`acq`), beside signs of a random turn (Charikar 2002)
    own rows   bits learned from the pictures alone and asked by captions as they are: `diptych index --codes own`

R@10 of the picture, and recall@10 against the order of float32; each also where the first 100 are scored again by
float16 rows that lie on a disk.

    DIPTYCH_DATA=… python bench/bytes.py [--json] [--svg docs/images/bytes.svg]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from diptych import catalogue
from diptych.collection import codes
from diptych.encoders import shelf
from diptych.kinds import Array, Pairs, hamming

TRAIN, AGAIN, K = 3000, 100, 10


def worlds() -> tuple[Pairs, Array, Array, Array]:
    """Training pairs as rows; rows of dev's pictures and captions; the picture of each caption."""
    encoder, flickr8k = shelf.open("mini"), catalogue.dataset("flickr8k")
    train, dev = flickr8k.read("train"), flickr8k.read("dev")
    train = train.select(np.arange(TRAIN))
    rows = [encoder.encode_images(list(pairs.images)) for pairs in (train, dev)]
    words = [encoder.encode_texts(list(pairs.texts)) for pairs in (train, dev)]
    return train.features(rows[0], words[0]), rows[1], words[1], np.asarray(dev.owner)


def ways(train: Pairs, pictures: Array, captions: Array) -> Iterator[tuple[str, float, Array]]:
    """Name, bytes a picture, scores (captions, pictures)."""
    import faiss

    width = pictures.shape[1]
    yield "float32", 4 * width, captions @ pictures.T
    yield "float16", 2 * width, captions @ pictures.astype(np.float16).astype(np.float32).T
    yield "int8", width + 4, captions @ eighth(pictures).T
    cut: Any = catalogue.method("pls")(dims=width).fit(train)
    A, B = cut.A_, cut.B_
    items, asked = (pictures - cut.mean_x_) @ A, (captions - cut.mean_y_) @ B
    for dims in (128, 64, 32, 16, 8):
        yield f"pls, {dims} float16", 2 * dims, asked[:, :dims] @ items[:, :dims].astype(np.float16).astype(float).T
        yield f"pls, {dims} int8", dims + 4, asked[:, :dims] @ eighth(items[:, :dims]).T
    for groups in (64, 32, 16, 8):
        index = faiss.IndexPQ(width, groups, 8, faiss.METRIC_INNER_PRODUCT)
        index.train(np.ascontiguousarray(train.images))
        cells = index.sa_encode(pictures)
        yield f"product, {groups} groups", groups, captions @ index.sa_decode(cells).T
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((width, width)))[0]
    centre_x, centre_y = train.images.mean(axis=0), train.texts.mean(axis=0)
    for bits in (256, 128, 64, 32):
        learned: Any = catalogue.method("acq")(bits=bits).fit(train)
        yield (
            f"acq, {bits} bits",
            bits / 8,
            hamming.score(learned.encode_texts(captions), learned.encode_images(pictures)),
        )
        drawn = [
            hamming.normalise((rows - mean) @ turn[:, :bits])
            for rows, mean in ((captions, centre_y), (pictures, centre_x))
        ]
        yield f"random turn, {bits} bits", bits / 8, hamming.score(*drawn)
        own = codes.own(np.asarray(train.images), bits)
        signs = 2.0 * np.unpackbits(own.encode_images(pictures), axis=1) - 1
        yield f"own rows, {bits} bits", bits / 8, captions @ own.turn @ signs.T


def eighth(rows: Array) -> Array:
    """Rows as they come back from a byte a column and one scale a row."""
    scale = np.abs(rows).max(axis=1, keepdims=True) / 127
    return np.asarray(np.rint(rows / scale).astype(np.int8) * scale)


def hits(scores: Array, owner: Array) -> float:
    """R@10 in expectation over the order of ties."""
    own = scores[np.arange(len(owner)), owner][:, None]
    above, level = (scores > own).sum(axis=1), (scores == own).sum(axis=1)
    return float(np.clip((K - above) / level, 0, 1).mean())


def measured() -> list[dict[str, Any]]:
    train, pictures, captions, owner = worlds()
    exact = captions @ pictures.T
    truth = np.argsort(-exact, axis=1, kind="stable")[:, :K]
    again = captions @ pictures.astype(np.float16).astype(np.float32).T
    lines = []
    for name, size, scores in ways(train, pictures, captions):
        scores = np.asarray(scores, dtype=np.float64)
        order = np.argsort(-scores, axis=1, kind="stable")
        rescored = np.full(scores.shape, -np.inf)
        np.put_along_axis(rescored, order[:, :AGAIN], np.take_along_axis(again, order[:, :AGAIN], 1), 1)
        best = np.argsort(-rescored, axis=1, kind="stable")[:, :K]
        kept = [float((found[:, :, None] == truth[:, None]).any(axis=2).mean()) for found in (order[:, :K], best)]
        line = {"kept as": name, "bytes": size, "R@10": hits(scores, owner), "recall@10": kept[0]}
        lines.append(line | {"R@10 of 100 again": hits(rescored, owner), "recall@10 of 100 again": kept[1]})
    return lines


MARKS = {
    "float": "#1f5fbf",
    "int8": "#1a7a3c",
    "product": "#b4501a",
    "acq": "#8a2fa0",
    "random": "#8a8f96",
    "own": "#0b8a8a",
}


def drawn(lines: list[dict[str, Any]]) -> str:
    """R@10 over bytes a picture, a line for each way; dashed where the first 100 are scored again."""
    left, right, top, bottom, high = 52, 600, 16, 330, 0.55

    def at(line: dict[str, Any], what: str) -> tuple[float, float]:
        x = left + (np.log2(line["bytes"]) - 2) / 8 * (right - left)
        return float(x), bottom - line[what] / high * (bottom - top)

    made = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 376" font-family="sans-serif" font-size="12">']
    made.append('<rect width="740" height="376" fill="#ffffff"/>')
    for power in range(2, 11):
        x = left + (power - 2) / 8 * (right - left)
        made.append(f'<path d="M{x:.0f} {top}V{bottom}" stroke="#e4e1da"/>')
        made.append(f'<text x="{x:.0f}" y="{bottom + 18}" text-anchor="middle" fill="#59616b">{2**power}</text>')
    for tenth in range(6):
        y = bottom - tenth / 10 / high * (bottom - top)
        made.append(f'<path d="M{left} {y:.0f}H{right}" stroke="#e4e1da"/>')
        made.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end" fill="#59616b">{10 * tenth}</text>')
    made.append(
        f'<text x="{(left + right) / 2}" y="{bottom + 38}" text-anchor="middle" fill="#59616b">bytes a picture</text>'
    )
    for place, (mark, colour) in enumerate(MARKS.items()):
        of = sorted((line for line in lines if mark in line["kept as"]), key=lambda line: line["bytes"])
        for what, dash in (("R@10", ""), ("R@10 of 100 again", ' stroke-dasharray="4 4"')):
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(line, what) for line in of))
            made.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        names = {"float": "floats", "product": "product codes", "random": "random turn", "own": "own rows"}
        name = names.get(mark, mark)
        y = top + 20 + 20 * place
        made.append(f'<path d="M{right + 14} {y}h22" stroke="{colour}" stroke-width="2"/>')
        made.append(f'<text x="{right + 42}" y="{y + 4}" fill="#1d2126">{name}</text>')
    made.append(f'<text x="{right + 14}" y="{top + 154}" fill="#59616b">dashed: the first</text>')
    made.append(f'<text x="{right + 14}" y="{top + 170}" fill="#59616b">100 scored again</text>')
    return "\n".join([*made, "</svg>"]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--svg", type=Path, help="draw them into this file")
    told = parser.parse_args()
    lines = measured()
    if told.svg:
        told.svg.write_text(drawn(lines), encoding="utf-8")
    if told.json:
        print(json.dumps(lines))
        return
    for line in lines:
        print(
            "  ".join(f"{what}: {value if isinstance(value, str) else round(value, 3)}" for what, value in line.items())
        )


if __name__ == "__main__":
    main()
