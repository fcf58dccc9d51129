"""EfficientNetV2-B0: as small as MobileNetV2, slower, and sees more.

Tan & Le, "EfficientNetV2: Smaller models and faster training", ICML 2021. The last layer before the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from diptych.features.network import ArrayOrNetwork


@dataclass
class EfficientNetV2(ArrayOrNetwork):
    """(n, 1280), or with a grid (n, cells, 1280)."""

    file: str = "efficientnetv2_b0.onnx"
    layer: str = "features"
    size: int = 256

    array: ClassVar[str] = "efficientnetv2b0_1280_uint8.npz"
    width: ClassVar[int] = 1280
    map: ClassVar[str] = "top_conv_o_a"
