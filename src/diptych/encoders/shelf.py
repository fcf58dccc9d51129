"""The encoders there are by name, and the way to any other: `mini`, `hub:owner/name:variant@revision`, or a folder.

Names and revisions stand here; `docs/how-to/choose-an-encoder.md` says which one to take.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diptych.encoders import hub
from diptych.encoders.dual import DualEncoder
from diptych.encoders.hub import Transformers
from diptych.encoders.pair import CARD, FILES, OnnxPair
from diptych.kinds import BadInput, Progress, nearest, place
from diptych.parts.fitted import Fitted

DEFAULT = "mini"
_BUNDLED = Path(__file__).parent / DEFAULT


@dataclass(frozen=True)
class Model:
    """An encoder by name.

    what        for whom it is, and what it is
    source      `hub:owner/name:variant@commit`; "" comes with Diptych
    bytes       how much is fetched, and kept; 0 where nobody knows before
    terms       of its weights, as their authors name them
    languages   that it reads; "" where nobody has said so
    """

    name: str
    what: str
    source: str = ""
    bytes: int = 0
    terms: str = ""
    languages: str = ""

    @property
    def here(self) -> Path | None:
        """Its folder, where it can be used at once."""
        if self.source:
            return hub.here(*hub.split(self.source))
        return _BUNDLED if (_BUNDLED / CARD).is_file() else None


_SHELF = (
    Model(
        DEFAULT,
        "for a first look: comes along, small and quick, knows everyday scenes",
        terms="Apache-2.0",
        languages="English",
    ),
    Model(
        "mobileclip-s0",
        "for a small machine that should know more: MobileCLIP-S0; mind the terms",
        # Its picture tower is of no use in eight bits, its text tower is.
        "hub:Xenova/mobileclip_s0:fp32+quantized@757d59c9c6870a76a4b0306f05f5061bca15c39f",
        90_600_000,
        "Apple ML Research",
        "English",
    ),
    Model(
        "clip-vit-b32-onnx",
        "for names, brands, places, styles and rare things: CLIP ViT-B/32 of OpenAI",
        "hub:Xenova/clip-vit-base-patch32@d15189d7028b43f1d3e65039190477f6af591c2a",
        608_000_000,
        "MIT",
        "English",
    ),
    Model(
        "siglip2-b16-q8",
        "for good answers in any language: SigLIP 2 ViT-B/16 in eight bits",
        "hub:onnx-community/siglip2-base-patch16-224-ONNX:quantized@ba1f3b0843f24bc5417d38e19c37b287d719b2f4",
        412_400_000,
        "Apache-2.0",
        "over 100",
    ),
    Model(
        "siglip2-b16-onnx",
        "for the best answers, where time and room do not matter: the same in full precision",
        "hub:onnx-community/siglip2-base-patch16-224-ONNX@ba1f3b0843f24bc5417d38e19c37b287d719b2f4",
        1_536_000_000,
        "Apache-2.0",
        "over 100",
    ),
    Model(
        "clip-vit-b32",
        "with diptych[torch]: CLIP ViT-B/32 of LAION",
        "hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K@1a25a446712ba5ee05982a381eed697ef9b435cf",
        608_800_000,
        "MIT",
        "English",
    ),
    Model(
        "siglip-b16",
        "with diptych[torch]: SigLIP ViT-B/16, for whole sentences",
        "hub:google/siglip-base-patch16-224@7fd15f0689c79d79e38b1c2e2e2370a7bf2761ed",
        815_900_000,
        "Apache-2.0",
        "English",
    ),
    Model(
        "siglip2-b16",
        "with diptych[torch]: siglip2-b16-onnx as its authors publish it",
        "hub:google/siglip2-base-patch16-224@75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2",
        1_540_000_000,
        "Apache-2.0",
        "over 100",
    ),
)


def names() -> list[str]:
    return [model.name for model in _SHELF]


def models() -> list[Model]:
    """Those with a name, and after them what else was fetched from the hub."""
    ours = {model.source for model in _SHELF}
    others = []
    for record in hub.fetched().values():
        source = f"hub:{record['repo']}@{record['commit']}"
        if source not in ours:
            others.append(Model(source, "fetched from the hub", source, sum(record["files"].values())))
    return [*_SHELF, *others]


def is_encoder(name: str | Path) -> bool:
    """Whether this can only be meant as an encoder: a name of the shelf, of the hub, or a folder with one in it."""
    known = isinstance(name, str) and (name in names() or name.startswith("hub:"))
    return known or any((Path(name) / file).is_file() for file in (CARD, "config.json"))


def open(name: str | Path, modules: Sequence[str] = ()) -> DualEncoder | Fitted:
    """The encoder of this name, of the hub, or in this folder.

    name      a name of the shelf; `hub:owner/name`, perhaps with `:VARIANT` and `@REVISION`; or a folder: an ONNX pair,
              what `diptych fit` wrote, or a model of transformers. A folder called like one on the shelf is written
              `./mini`
    modules   modules that classes of a fitted folder may come from, as for `Fitted.from_pretrained`

    Raises BadInput with the nearest name, with the command that fetches it, or with what is wrong in the folder.
    """
    folder = _folder(name)
    if (folder / CARD).is_file():
        return OnnxPair(folder)
    config = folder / "config.json"
    if not config.is_file():
        raise BadInput(
            f"{folder}: no {CARD} and no config.json in it; not a fitted folder, ONNX pair or model of transformers"
        )
    try:
        transformers = "model_type" in json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, TypeError, OSError):  # told below, by what reads it
        transformers = False
    return Transformers(folder) if transformers else Fitted.from_pretrained(folder, modules)


def canonical(name: str | Path) -> str:
    """What finds the same encoder again from elsewhere and later: a name, a commit of the hub, or a folder in full."""
    if str(name) in names() and isinstance(name, str):
        return name
    folder = _folder(name)
    if str(name).startswith("hub:"):
        return f"{str(name).partition('@')[0]}@{folder.name}"
    return str(folder.resolve())


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Bring a model of the shelf or of the hub once: its folder. From then on it needs no network."""
    found = {model.name: model for model in _SHELF}.get(name)
    if found is None and not name.startswith("hub:"):
        raise BadInput(f"there is no model {name!r}{nearest(name, names())} (or hub:owner/name)")
    if found is not None and not found.source:
        return _folder(name)
    repo, revision = hub.split(found.source if found else name)
    return hub.fetch(repo, revision, progress)


def _folder(name: str | Path) -> Path:
    """Where an encoder lies. Raises BadInput where it is not here."""
    place(name)
    shelf = {model.name: model for model in _SHELF} if isinstance(name, str) else {}
    if model := shelf.get(str(name)):
        if found := model.here:
            return found
        if model.source:
            raise BadInput(f"{name} is not here yet; fetch it once: diptych models get {name}")
        files = ", ".join((CARD, *FILES))
        raise BadInput(f"{name} is not in this installation ({_BUNDLED} lacks {files}); name another model")
    if str(name).startswith("hub:"):
        if found := hub.here(*hub.split(str(name))):
            return found
        raise BadInput(f"{name} is not here yet; fetch it once: diptych models get {name}")
    if not Path(name).is_dir():
        raise BadInput(f"there is no model {str(name)!r}, and no folder of that name{nearest(str(name), names())}")
    return Path(name)
