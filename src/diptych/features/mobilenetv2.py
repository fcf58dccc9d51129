"""MobileNetV2: small, and quick on any processor.

Sandler et al., "MobileNetV2: Inverted residuals and linear bottlenecks", CVPR 2018. The last layer before the classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from diptych.features.network import ArrayOrNetwork


@dataclass
class MobileNetV2(ArrayOrNetwork):
    """(n, 1280), or with a grid (n, cells, 1280).

    Arrays that lie beside pictures may come from larger copies of them: then their rows and those of the network on the
    small copies differ (cosine 0.81 on Flickr8k at 144 pixels). Say given=false where both would meet.
    """

    file: str = "mobilenet_v2_1.0_224_quant.tflite"
    layer: str = "MobilenetV2/Logits/AvgPool"

    array: ClassVar[str] = "mobilenetv2_1280_uint8.npz"
    width: ClassVar[int] = 1280
    map: ClassVar[str] = ";".join(
        f"MobilenetV2/Conv_1/{part}" for part in ("Relu6", "add_fold", "Conv2D_Fold", "BatchNorm_Fold/bias")
    )
