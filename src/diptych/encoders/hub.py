"""Encoders of transformers, from the hub or from a folder: CLIP, SigLIP and what is built like them.

Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021; Zhai et al.,
"Sigmoid loss for language image pre-training", ICCV 2023. Weights are read from safetensors alone, and no code that
comes with a model is ever run. A fetched model is one folder below the cache, by its commit, and needs no network.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from diptych.encoders.dual import DualEncoder, normal
from diptych.kinds import Array, BadInput, Progress
from diptych.sources import cache
from diptych.sources.pictures import Preprocessing

RECORD = "fetched.json"

_PARTS = re.compile(
    r"(preprocessor_|processor_)?config\.json|tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|vocab\..*"
    r"|merges\.txt|.*\.model|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json"
)
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""By their numbers in PIL."""

_SAFE: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}

_PREPROCESSING = 1
"""Another number where the same files would give other rows."""


class Transformers(DualEncoder):
    """The encoder in a folder as transformers saves it, with its tokenizer and `preprocessor_config.json`.

    Pictures are prepared as that file says, except that a JPEG may be decoded at half size as long as twice the side is
    left. Raises BadInput for a model without both towers, and for one without safetensors.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        config = _json(self.folder / "config.json")
        if not weights(path.name for path in self.folder.iterdir()):
            raise BadInput(f"{self.folder}: no model.safetensors in it; weights in other formats can run code")
        if config.get("model_type") == "siglip2":
            raise BadInput(f"{self.folder} takes pictures of any shape; bring a model of one resolution instead")
        fetched = _json(self.folder / RECORD) if (self.folder / RECORD).is_file() else {}
        self.name = fetched.get("repo") or self.folder.name
        self.revision = fetched.get("commit", "")
        self.preprocessing, self.mean, self.std = _preprocessing(self.folder)
        self.siglip = str(config.get("model_type", "")).startswith("siglip")
        # What stands nowhere is what transformers takes for it.
        self.length = _number(config, ("text_config", "max_position_embeddings"), 64 if self.siglip else 77)
        towers = (("vision_config", "hidden_size"), 768) if self.siglip else (("projection_dim",), 512)
        self.width = _number(config, *towers)
        self.reads = f"{self.length} tokens"
        self.trained_on_: dict[str, Any] = {"method": self.name, "revision": self.revision}

    @cached_property
    def digest(self) -> str:
        files = sorted(path for path in self.folder.iterdir() if _PARTS.fullmatch(path.name))
        found = {path.name: cache.file_fingerprint(path) for path in files}
        return hashlib.sha256(json.dumps([_PREPROCESSING, found]).encode()).hexdigest()

    def encode_pixels(self, pixels: Array) -> Array:
        model, device = self._model
        import torch

        values = torch.from_numpy(normal(pixels, self.mean, self.std)).to(device)
        with torch.inference_mode():
            return self.space.normalise(self._rows(model.get_image_features(pixel_values=values)))

    def _read(self, texts: list[str]) -> Array:
        model, device = self._model
        import torch

        tokens = self._tokenizer(
            texts,
            # SigLIP never saw a text that was not padded to the end, and was told nothing about padding.
            padding="max_length" if self.siglip else True,
            truncation=True,
            max_length=self.length,
            return_tensors="pt",
        ).to(device)
        tokens = {key: tokens[key] for key in ("input_ids",) + (() if self.siglip else ("attention_mask",))}
        with torch.inference_mode():
            return self._rows(model.get_text_features(**tokens))

    def _rows(self, output: Any) -> Array:
        rows = output if hasattr(output, "cpu") else output.pooler_output  # a tensor before transformers 5
        rows = rows.float().cpu().numpy()
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise BadInput(f"{self.folder} gives rows of shape {rows.shape[1:]}; its config says {self.width}")
        return np.asarray(rows)

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        with _loading(self.folder):
            import torch
            from transformers import AutoModel

            model = AutoModel.from_pretrained(self.folder.as_posix(), use_safetensors=True, **_SAFE)
            device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if not (hasattr(model, "get_image_features") and hasattr(model, "get_text_features")):
            raise BadInput(
                f"{self.folder} is a {type(model).__name__}, which has no tower for pictures and one for texts"
            )
        return model.float().eval().to(device), device

    @cached_property
    def _tokenizer(self) -> Any:
        with _loading(self.folder):
            from transformers import AutoTokenizer

            return AutoTokenizer.from_pretrained(self.folder.as_posix(), **_SAFE)


# --------------------------------------------------------------------------------------------------------- fetched once


def split(name: str) -> tuple[str, str]:
    """(repository, revision or "") of `hub:owner/name@revision`."""
    found = re.fullmatch(r"hub:(\w[\w.-]*/\w[\w.-]*)(?:@(\w[\w./-]*))?", name)
    if not found:
        raise BadInput(f"{name!r}: a model of the hub is written hub:owner/name, or hub:owner/name@REVISION")
    return found[1], found[2] or ""


def home() -> Path:
    """Where fetched models lie."""
    return cache.home() / "models"


def fetched() -> dict[Path, dict[str, Any]]:
    """Folder -> record of every model that was fetched, the latest first."""
    records = sorted(home().glob(f"*/*/{RECORD}"), key=lambda path: -path.stat().st_mtime)
    return {path.parent: _json(path) for path in records if not path.parent.name.endswith(".part")}


def here(repo: str, revision: str = "") -> Path | None:
    """The folder of a fetched model: of this commit, branch or tag; without one, the latest that was fetched."""
    for folder, record in fetched().items():
        asked = revision in ("", record["asked"]) or (len(revision) >= 7 and record["commit"].startswith(revision))
        if record["repo"] == repo and asked:
            return folder
    return None


def fetch(repo: str, revision: str = "", progress: Progress | None = None) -> Path:
    """Bring a model once: its folder. What came of an interrupted fetch is taken up.

    progress   told the kilobytes that are here
    Raises BadInput where it cannot be had, and where it has no safetensors.
    """
    try:
        import huggingface_hub as hub
    except ImportError:
        raise BadInput(f"hub:{repo} needs huggingface_hub: pip install 'diptych[torch]'") from None
    try:
        facts = hub.HfApi().model_info(repo, revision=revision or None, files_metadata=True)
    except Exception as error:  # its own classes, and those of the client below it
        raise BadInput(f"hub:{repo}: {_why(error, hub)}") from None
    files = {each.rfilename: each.size or 0 for each in facts.siblings or () if _PARTS.fullmatch(each.rfilename)}
    if not weights(files):
        raise BadInput(
            f"hub:{repo} has no model.safetensors, and weights in other formats can run code; "
            "name a revision that has them, hub:owner/name@REVISION"
        )
    if not re.fullmatch(r"[0-9a-f]{40}", facts.sha or ""):
        raise BadInput(f"hub:{repo}: the hub names no commit; nothing was fetched")
    commit = str(facts.sha)
    folder = home() / repo.replace("/", "--") / commit
    if (folder / RECORD).is_file():
        return folder
    part = folder.with_name(f"{commit}.part")
    try:
        part.mkdir(parents=True, exist_ok=True)
        with _watched(part, sum(files.values()), f"hub:{repo}", progress):
            for name in sorted(files):
                hub.hf_hub_download(repo, name, revision=commit, local_dir=part)
        record = {"repo": repo, "asked": revision, "commit": commit, "files": files}
        (part / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        part.rename(folder)
    except Exception as error:  # as above, and a full disk
        raise BadInput(f"hub:{repo}: {_why(error, hub)}") from None
    return folder


def weights(names: Iterable[str]) -> list[str]:
    """Those of the file names that hold weights which cannot run code."""
    return [name for name in names if _WEIGHTS.fullmatch(name)]


@contextmanager
def _watched(folder: Path, total: int, what: str, progress: Progress | None) -> Iterator[None]:
    """While files come, tell how much is here, as the disk has it: versions of the hub's library differ in telling."""
    import huggingface_hub

    utils: Any = huggingface_hub.utils
    if progress is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            progress(what, min(_kilobytes(folder), total // 1000), total // 1000)

    thread, bars = threading.Thread(target=watch, daemon=True), utils.are_progress_bars_disabled()
    utils.disable_progress_bars()
    thread.start()
    try:
        yield
        progress(what, total // 1000, total // 1000)
    finally:
        over.set()
        thread.join()
        if not bars:
            utils.enable_progress_bars()


def _kilobytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # it was moved to its place just now
            continue
    return total // 1000


def _why(error: Exception, hub: Any) -> str:
    if isinstance(error, hub.errors.GatedRepoError):
        return "asks for consent before it is given; agree on its page, then log in with `hf auth login`"
    if isinstance(error, hub.errors.RevisionNotFoundError):
        return "has no such revision"
    if isinstance(error, hub.errors.RepositoryNotFoundError):
        return "no such model there, or it is private"
    return f"not fetched ({_first_line(error)}); what came is kept, so try again when you are online"


# --------------------------------------------------------------------------------------------------------------- inside


def _preprocessing(folder: Path) -> tuple[Preprocessing, tuple[float, ...], tuple[float, ...]]:
    """How a model looks at pictures, with mean and deviation, as the configuration of its own processor says it."""
    file = folder / "processor_config.json"  # where newer versions of transformers write it
    says = _json(file).get("image_processor") if file.is_file() else None
    if not isinstance(says, dict):
        file = folder / "preprocessor_config.json"
        says = _json(file)

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


def _number(config: dict[str, Any], keys: tuple[str, ...], otherwise: int) -> int:
    value: Any = config
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int) and value > 0 else otherwise


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{file}: not readable ({error.strerror}); not a model of transformers") from None
    except ValueError as error:  # of JSON and of UTF-8
        raise BadInput(f"{file} does not read as JSON ({error})") from None
    if not isinstance(found, dict):
        raise BadInput(f"{file} is no object")
    return found


@contextmanager
def _loading(folder: Path) -> Iterator[None]:
    """Transformers at work: silent, and what goes wrong is one line."""
    if not (find_spec("torch") and find_spec("transformers")):
        raise BadInput(f"{folder.name} needs torch and transformers: pip install 'diptych[torch]'")
    import transformers

    logging: Any = transformers.logging
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    except Exception as error:  # transformers, safetensors and torch each have their own
        raise BadInput(f"{folder}: transformers does not load it ({_first_line(error)})") from None
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
