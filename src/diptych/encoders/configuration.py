"""What the configuration files that lie beside a model say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from diptych.kinds import BadInput
from diptych.sources.pictures import Preprocessing

_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""By their numbers in PIL."""


def preprocessing(folder: Path) -> tuple[Preprocessing, tuple[float, ...], tuple[float, ...]]:
    """How a model looks at pictures, with mean and deviation, as the configuration of its own processor says it."""
    file = folder / "processor_config.json"  # where newer versions of transformers write it
    says = read(file).get("image_processor") if file.is_file() else None
    if not isinstance(says, dict):
        file = folder / "preprocessor_config.json"
        says = read(file)

    def image_sides(key: str) -> set[int]:
        value = says.get(key)
        return {value} if isinstance(value, int) else set(value.values()) if isinstance(value, dict) else set()

    crops = bool(says.get("do_center_crop")) and bool(image_sides("crop_size"))
    sides = image_sides("size") | (image_sides("crop_size") if crops else set())
    if len(sides) != 1 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise BadInput(
            f"{file}: pictures of {sorted(map(str, sides)) or 'no'} pixels a side; one square is what is read"
        )
    (side,) = sides
    squashes = "shortest_edge" not in says["size"] if isinstance(says["size"], dict) else not crops
    if not (crops or squashes):
        raise BadInput(f"{file}: pictures keep their shape; one square is what is read")
    resample = says.get("resample", 3)
    if resample not in range(len(_FILTERS)) or not all(says.get(f"do_{step}", True) for step in ("resize", "rescale")):
        raise BadInput(f"{file}: it resizes in a way that is not known here; bring the model as an ONNX pair")
    if abs(says.get("rescale_factor", 1 / 255) * 255 - 1) > 1e-6:
        raise BadInput(f"{file}: rescale_factor is {says['rescale_factor']}, not 1/255")
    mean, std = (tuple(says.get(key) or ()) for key in ("image_mean", "image_std"))
    if not says.get("do_normalize", True) or not (len(mean) == len(std) == 3):
        mean, std = (0.0,) * 3, (1.0,) * 3
    return Preprocessing(side, "squash" if squashes else "crop", _FILTERS[resample], 2 * side), mean, std


def number(config: dict[str, Any], keys: tuple[str, ...], otherwise: int) -> int:
    value: Any = config
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int) and value > 0 else otherwise


def read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file}: not readable ({error.strerror}); not a model of transformers") from None
    except ValueError as error:  # of JSON and of UTF-8
        raise BadInput(f"{file} does not read as JSON ({error})") from None
    if not isinstance(found, dict):
        raise BadInput(f"{file} is no object")
    return found
