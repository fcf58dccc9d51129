"""The files `dataset_coco.json`, `dataset_flickr30k.json`, `dataset_flickr8k.json` with Karpathy's splits.

A. Karpathy, L. Fei-Fei. Deep visual-semantic alignments for generating image descriptions. CVPR 2015.
"""

from __future__ import annotations

import json
from pathlib import Path

from diptych.kinds import BadInput
from diptych.sources.rows import Row

CAPTIONS = 5
"""Papers use the first five captions of a picture; some pictures of COCO have six or seven."""


def rows(path: Path) -> list[Row]:
    """One row a picture, with its first five captions and its split; `restval` counts as `train`.

    `image` is `filepath/filename` where the file tells a `filepath` (COCO), else `filename`.
    """
    try:
        images = json.loads(path.read_text(encoding="utf-8"))["images"]
        return [
            Row(
                f"{image['filepath']}/{image['filename']}" if image.get("filepath") else image["filename"],
                tuple(" ".join(sentence["raw"].split()) for sentence in image["sentences"][:CAPTIONS]),
                split="train" if image["split"] == "restval" else image["split"],
                where=f"{path}, image {number}",
            )
            for number, image in enumerate(images)
        ]
    except json.JSONDecodeError as error:
        raise BadInput(f"{path}, line {error.lineno}: not JSON ({error.msg}); fetch the file again") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8; fetch the file again") from None
    except (AttributeError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: not one of Karpathy's files ({error!r} in `images`)") from None
