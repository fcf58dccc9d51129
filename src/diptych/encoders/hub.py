"""Encoders of the hub: ONNX exports, which become pairs, and models of transformers, which may be folders as well.

Radford et al., "Learning transferable visual models from natural language supervision", ICML 2021; Zhai et al.,
"Sigmoid loss for language image pre-training", ICCV 2023. Weights are read from safetensors alone, and no code that
comes with a model is ever run. A fetched model is one folder below the cache, by its commit, and needs no network.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from diptych.encoders import configuration, exports, networks
from diptych.encoders.dual import DualEncoder, normal
from diptych.encoders.exports import Export
from diptych.kinds import Array, BadInput, Progress
from diptych.sources import cache

RECORD = "fetched.json"

MOST_WORDS, MOST_WEIGHTS = 100_000_000, 50_000_000_000
"""Bytes of one file of configuration or vocabulary, and of one of weights."""

_PARTS = re.compile(
    r"(preprocessor_|processor_)?config\.json|tokenizer.*\.json|special_tokens_map\.json|added_tokens\.json|vocab\..*"
    r"|merges\.txt|.*\.model|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json"
)
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
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
        config = configuration.read(self.folder / "config.json")
        if not weights(path.name for path in self.folder.iterdir()):
            raise BadInput(f"{self.folder}: no model.safetensors in it; weights in other formats can run code")
        if config.get("model_type") == "siglip2":
            raise BadInput(f"{self.folder} takes pictures of any shape; bring a model of one resolution instead")
        fetched = configuration.read(self.folder / RECORD) if (self.folder / RECORD).is_file() else {}
        self.name = fetched.get("repo") or self.folder.name
        self.revision = fetched.get("commit", "")
        self.preprocessing, self.mean, self.std = configuration.preprocessing(self.folder)
        self.siglip = str(config.get("model_type", "")).startswith("siglip")
        # What stands nowhere is what transformers takes for it.
        self.length = configuration.number(
            config, ("text_config", "max_position_embeddings"), 64 if self.siglip else 77
        )
        towers = (("vision_config", "hidden_size"), 768) if self.siglip else (("projection_dim",), 512)
        self.width = configuration.number(config, *towers)
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
    """(repository with its variant, revision or "") of `hub:owner/name:variant@revision`."""
    found = re.fullmatch(r"hub:(\w[\w.-]*/\w[\w.-]*(?::\w+(?:\+\w+)?)?)(?:@(\w[\w./-]*))?", name)
    if not found:
        raise BadInput(
            f"{name!r}: a model of the hub is written hub:owner/name, perhaps with :VARIANT and then @REVISION"
        )
    return found[1], found[2] or ""


def home() -> Path:
    """Where fetched models lie."""
    return cache.home() / "models"


def fetched() -> dict[Path, dict[str, Any]]:
    """Folder -> record of every model that was fetched, the latest first."""
    records = sorted(home().glob(f"*/*/{RECORD}"), key=lambda path: -path.stat().st_mtime)
    return {path.parent: configuration.read(path) for path in records if not path.parent.name.endswith(".part")}


def here(repo: str, revision: str = "") -> Path | None:
    """The folder of a fetched model: of this commit, branch or tag; without one, the latest that was fetched."""
    for folder, record in fetched().items():
        asked = revision in ("", record["asked"]) or (len(revision) >= 7 and record["commit"].startswith(revision))
        if record["repo"] == repo and asked:
            return folder
    return None


def fetch(repo: str, revision: str = "", progress: Progress | None = None) -> Path:
    """Bring a model once: its folder. What came of an interrupted fetch is taken up.

    An ONNX export becomes a pair, which needs no torch, and is tried; else there have to be safetensors.

    repo       `owner/name`, or `owner/name:variant` for an export in another precision (see `exports.of`)
    progress   told the kilobytes that are here
    Raises BadInput where it cannot be had, and where it has neither.
    """
    try:
        import huggingface_hub as hub
    except ImportError:
        raise BadInput(f"hub:{repo} needs huggingface_hub: pip install huggingface_hub") from None
    place, _, variant = repo.partition(":")
    try:
        facts = hub.HfApi().model_info(place, revision=revision or None, files_metadata=True)
    except Exception as error:  # its own classes, and those of the client below it
        raise BadInput(f"hub:{repo}: {_why(error, hub)}") from None
    siblings = {each.rfilename: each for each in facts.siblings or ()}
    try:
        export = _export(siblings, variant)
        wanted = export.files if export else [name for name in siblings if _PARTS.fullmatch(name)]
        files = {name: siblings[name].size or 0 for name in wanted if name in siblings}
        _check(files, export is not None)
    except BadInput as error:
        raise BadInput(f"hub:{repo} {error}") from None
    if not re.fullmatch(r"[0-9a-f]{40}", facts.sha or ""):
        raise BadInput(f"hub:{repo}: the hub names no commit; nothing was fetched")
    commit = str(facts.sha)
    folder = home() / re.sub("[/:]", "--", repo) / commit
    if (folder / RECORD).is_file():
        return folder
    part = folder.with_name(f"{commit}.part")
    try:
        part.mkdir(parents=True, exist_ok=True)
        with _watched(part, sum(files.values()), f"hub:{repo}", progress):
            for name in sorted(files):
                hub.hf_hub_download(place, name, revision=commit, local_dir=part)
                _compare(part / name, siblings[name])
        if export:
            export.make(part, repo, commit, str(getattr(facts.card_data, "license", None) or ""))
        record = {"repo": repo, "asked": revision, "commit": commit, "files": files}
        (part / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        part.rename(folder)
    except BadInput as error:  # more of the same would not help
        shutil.rmtree(part, ignore_errors=True)
        raise BadInput(f"hub:{repo}: {str(error).replace(f'{part}/', '')}") from None
    except Exception as error:  # as above, and a full disk
        raise BadInput(f"hub:{repo}: {_why(error, hub)}") from None
    return folder


def _export(names: Iterable[str], variant: str) -> Export | None:
    """The export to bring; None where there are safetensors and no export that can be had without asking for one."""
    try:
        return exports.of(names, variant)
    except BadInput:
        if variant or not weights(names):
            raise
        return None


def _check(files: dict[str, int], is_export: bool) -> None:
    """Raise BadInput where none of the files holds weights that cannot run code, and where one is too large."""
    if not (is_export or weights(files)):
        raise BadInput(
            "has no model.safetensors and no ONNX export of two towers, and weights in other formats can run code; "
            "name a revision that has them, hub:owner/name@REVISION"
        )
    for name, size in files.items():
        if size > (MOST_WORDS if Path(name).suffix in (".json", ".txt") else MOST_WEIGHTS):
            raise BadInput(f"has {name} of {size:,} bytes, which is more than is read")


def _compare(file: Path, told: Any) -> None:
    """Raise BadInput where a file is another than the hub says that it keeps."""
    kept = getattr(told, "lfs", None)
    if kept and kept.sha256 != networks.sha256(file):
        raise BadInput(f"{file} came damaged; fetch it again")


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
