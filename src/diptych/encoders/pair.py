"""An encoder as two ONNX files, which needs neither torch nor a network.

A folder holds `card.json`, `image.onnx`, `text.onnx` and `tokenizer.json`; docs/how-to/choose-an-encoder.md says what
is in them. Each side is loaded when it is first asked: who searches with words never loads the eyes.
"""

from __future__ import annotations

import hashlib
import json
import os
import string
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from diptych.encoders import networks
from diptych.encoders.dual import DualEncoder, normal
from diptych.kinds import Array, BadInput, batches, nearest
from diptych.sources.pictures import Preprocessing, read

CARD = "card.json"
FILES = ("image.onnx", "text.onnx", "tokenizer.json")

_PIECE = 4
"""Pictures that one thread sees at a time."""

_MANY = 32
"""Pictures that an accelerator sees at a time."""

_ALIKE = 0.999
"""Cosine from which its rows are those of the processor, which sees what is asked with."""

_PREPROCESSING = 1
"""Another number where the same files would give other rows: then a collection is told that the encoder is another."""

_SHORT = "a photo"

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_CLEAN: dict[str, Callable[[str], str]] = {
    "": str,
    "whitespace": lambda text: " ".join(text.split()),
    "lower": str.lower,
    "canonicalize": lambda text: " ".join(text.translate(_PUNCTUATION).lower().split()),
}
"""What is done to a text before it is cut into tokens."""

_PIXELS = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(float16)": np.float16}
_TOKENS = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(float)": np.float32,
    "tensor(bool)": np.bool_,
}


class OnnxPair(DualEncoder):
    """The encoder in a folder. Raises BadInput where it is not whole, or its card does not say what it must.

    A session takes pictures as float32 or float16 (n, 3, side, side), normalised as the card says, or as uint8
    (n, side, side, 3) bytes; texts as ids (n, tokens) and perhaps a mask of those that are no padding, which has "mask"
    in its name or comes second. The first output of each, or the one that the card names, is (n, dims).
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        card = _card(self.folder)
        self.name, self.revision, self.width = card["name"], card["version"], card["dims"]
        image, text = card["image"], card["text"]
        self.preprocessing = Preprocessing(
            image["side"], image["resize"], image["resample"], image.get("enough", image["side"])
        )
        self.mean, self.std = tuple(image.get("mean", ())), tuple(image.get("std", ()))
        self.length: int = text["length"]
        self.full: bool = text.get("padding") == "length"
        self.pad: int | None = text.get("pad")
        self.clean: str = text.get("clean", "")
        self.outputs: dict[str, str] = {FILES[0]: image.get("output", ""), FILES[1]: text.get("output", "")}
        self.at_a_time: dict[str, int] = {FILES[0]: image.get("batch", 0), FILES[1]: text.get("batch", 0)}
        self.reads = f"{self.length} tokens"
        self._sealed: dict[str, str] = card.get("digest", {})
        told = {"trained_on": "dataset", "terms": "terms", "weak": "weak"}
        self.trained_on_: dict[str, Any] = {"method": self.name, "revision": self.revision}
        self.trained_on_ |= {key: card[said] for said, key in told.items() if card.get(said)}

    @cached_property
    def digest(self) -> str:
        # What the card says of a file is believed here, and compared when the file is loaded.
        files = {name: self._sealed.get(name) or networks.sha256(self.folder / name) for name in FILES}
        facts = [
            _PREPROCESSING,
            files,
            str(self.preprocessing),
            self.preprocessing.enough,
            self.mean,
            self.std,
            self.length,
            self.full,
        ]
        # Encoders whose cards say nothing of these are the same as before there were any.
        rarer = [self.pad, self.clean, list(self.outputs.values()), list(self.at_a_time.values())]
        if rarer != [None, "", ["", ""], [0, 0]]:
            facts.append(rarer)
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def encode_pixels(self, pixels: Array) -> Array:
        many = len(pixels) > 1 or "_image_session" in self.__dict__
        if len(pixels) > 1 and (rows := self._on_accelerator(pixels)) is not None:
            return rows
        opened = self._image_session if many else self._session_for_one
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(pool.map(lambda some: self._seen(opened, some), batches(pixels, opened[2] or _PIECE)))
        return self.space.normalise(np.concatenate(found or [np.empty((0, self.width), dtype=np.float32)]))

    def _seen(self, opened: tuple[Any, Any, int], pixels: Array) -> Array:
        session, kind, _ = opened
        values = pixels if kind == np.uint8 else normal(pixels, self.mean, self.std).astype(kind)
        return self._run(session, FILES[0], {session.get_inputs()[0].name: values})

    def _on_accelerator(self, pixels: Array) -> Array | None:
        """The rows, where something else than the processor computes them, and goes on doing so."""
        if self._accelerator is None:
            return None
        try:
            found = [self._seen(self._accelerator, some) for some in batches(pixels, self._accelerator[2] or _MANY)]
        except BadInput as error:  # for want of memory, as a rule
            networks.fall_back(self.folder / FILES[0], self._accelerator[0].get_providers()[0], str(error))
            self._accelerator = None
            return None
        return self.space.normalise(np.concatenate(found))

    @cached_property
    def _accelerator(self) -> tuple[Any, Any, int] | None:
        """The session of many pictures on a GPU or the like, if it gives what the processor gives."""
        file = self.folder / FILES[0]
        if (session := networks.accelerated(file, self._sealed.get(FILES[0]))) is None:
            return None
        try:
            opened = self._opened(session)
            rows = [self.space.normalise(self._seen(one, self._some)) for one in (opened, self._session_for_one)]
            if float((rows[0] * rows[1]).sum()) > _ALIKE:
                return opened
            why = "its rows are others"
        except BadInput as error:
            why = str(error)
        networks.fall_back(file, session.get_providers()[0], why)
        return None

    @property
    def _some(self) -> Array:
        """A picture that is not plain, to try a network with."""
        return np.resize(np.arange(256, dtype=np.uint8), (1, self.preprocessing.side, self.preprocessing.side, 3))

    def _read(self, texts: list[str]) -> Array:
        _, words, _, _, step = self._reader
        found = [encoding.ids for encoding in words.encode_batch([_CLEAN[self.clean](text) for text in texts])]
        return np.concatenate([self._rows_of(some) for some in batches(found, step or len(found))])

    def _rows_of(self, found: list[list[int]]) -> Array:
        """(n, width) of the tokens of some texts."""
        session, _, padding, fixed, _ = self._reader
        lengths = np.array([len(ids) for ids in found])
        most = fixed or (self.length if self.full else max(1, int(lengths.max())))
        mask = np.arange(most) < lengths[:, None]
        ids = np.full(mask.shape, padding)
        ids[mask] = [id for some in found for id in some]
        entries = _ids_first(session.get_inputs())
        feed: dict[str, Array] = {
            entry.name: values.astype(_TOKENS[entry.type]) for entry, values in zip(entries, (ids, mask), strict=False)
        }
        rows = self._run(session, FILES[1], feed)
        rows[lengths == 0] = 0  # of a text that holds nothing, no network knows anything
        return rows

    def _run(self, session: Any, file: str, feed: dict[str, Array]) -> Array:
        try:
            output = self.outputs[file] or session.get_outputs()[0].name
            rows = np.asarray(session.run([output], feed)[0], dtype=np.float32)
        except Exception as error:  # onnxruntime's own classes, defined in C++
            raise BadInput(f"{self.folder / file} does not run ({networks.first_line(error)})") from None
        n = len(next(iter(feed.values())))
        if rows.ndim != 2 or rows.shape != (n, self.width or rows.shape[1]):
            raise BadInput(f"{self.folder / file} gives {rows.shape} for {n} items; the card says {self.width} dims")
        return rows

    @cached_property
    def _image_session(self) -> tuple[Any, Any, int]:
        """The session of many pictures: several threads run it side by side, each with pictures of its own.

        That costs less than all threads on one layer, who wait for each other at its end.
        """
        return self._open_image_session(threads=1)

    @cached_property
    def _session_for_one(self) -> tuple[Any, Any, int]:
        return self._open_image_session(threads=os.cpu_count() or 1)

    def _open_image_session(self, threads: int) -> tuple[Any, Any, int]:
        return self._opened(self._session(FILES[0], threads))

    def _opened(self, session: Any) -> tuple[Any, Any, int]:
        """A session of pictures, what it takes, and how many of them at a time; 0 is any number."""
        entry = session.get_inputs()[0]
        if entry.type not in _PIXELS or len(session.get_inputs()) > 1:
            raise BadInput(f"{self.folder / FILES[0]} takes {entry.type}; it has to take one float or uint8 tensor")
        kind, side = _PIXELS[entry.type], self.preprocessing.side
        wanted = (side, side, 3) if kind == np.uint8 else (3, side, side)
        fixed = [size if isinstance(size, int) else None for size in entry.shape]
        if len(fixed) != 4 or any(size not in (None, want) for size, want in zip(fixed[1:], wanted, strict=True)):
            raise BadInput(f"{self.folder / FILES[0]} takes {entry.shape}, and the card says (n, {wanted})")
        if fixed[0] not in (None, 1):
            raise BadInput(f"{self.folder / FILES[0]} takes {fixed[0]} pictures at a time; export it for any number")
        if kind != np.uint8 and not self.mean:
            raise BadInput(f"{self.folder / CARD}: image has no mean and std, and {FILES[0]} takes normalised pixels")
        return session, kind, fixed[0] or self.at_a_time[FILES[0]]

    def _session(self, file: str, threads: int) -> Any:
        return networks.session(self.folder / file, threads, self._sealed.get(file))

    @cached_property
    def _reader(self) -> tuple[Any, Any, int, int, int]:
        """The session of texts, the tokenizer, the id of padding, and the numbers of tokens and texts; 0 is any."""
        # Texts come when the pictures are done. Where they take turns, the picture network is loaded again, and stays.
        self.__dict__.pop("_image_session", None)
        with ThreadPoolExecutor(1) as beside:
            loading = beside.submit(self._session, FILES[1], threads=os.cpu_count() or 1)
            networks.compare(self.folder / FILES[2], self._sealed.get(FILES[2]))
            words = tokenizer(self.folder / FILES[2])
            session = loading.result()
        padding = self.pad if self.pad is not None else words.padding["pad_id"] if words.padding else 0
        words.no_padding()
        entries = _ids_first(session.get_inputs())
        if not 1 <= len(entries) <= 2 or any(e.type not in _TOKENS or len(e.shape) != 2 for e in entries):
            told = ", ".join(f"{entry.name} {entry.type}" for entry in session.get_inputs())
            raise BadInput(
                f"{self.folder / FILES[1]} takes {told}; it has to take ids (n, tokens), and may take a mask"
            )
        step, fixed = (size if isinstance(size, int) else 0 for size in entries[0].shape)
        if step > 1:
            raise BadInput(f"{self.folder / FILES[1]} takes {step} texts at a time; export it for any number")
        words.enable_truncation(min(self.length, fixed or self.length))
        return session, words, padding, fixed, step or self.at_a_time[FILES[1]]


def tokenizer(file: Path) -> Any:
    """The tokenizer in a file. Raises BadInput naming it."""
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(read(file).decode())
    except BadInput:
        raise
    except Exception as error:  # its own class, defined in Rust, and that of UTF-8
        raise BadInput(f"{file}: not a tokenizer ({networks.first_line(error)})") from None


def _ids_first(entries: list[Any]) -> list[Any]:
    return sorted(entries, key=lambda entry: "mask" in entry.name)


def complete(folder: str | Path, card: dict[str, Any]) -> None:
    """Write the card of networks that lie in a folder, with what only they can say, and seal it.

    card   as the documentation has it, without `dims`, outputs and `batch`. Where it says nothing of padding, a short
           text is read with and without: padding is left out where it makes no difference

    Which output is the row is known by its name, else by its shape. A network that scales its numbers by what comes
    in with them (dynamic quantisation) gets one item at a time, so that a row does not depend on others.
    Raises BadInput where the two do not run, or do not fit each other.
    """
    folder, file = Path(folder), Path(folder) / CARD
    image, text = dict(card["image"]), {"padding": "length"} | card["text"]
    for side, name in ((image, FILES[0]), (text, FILES[1])):
        if networks.scales_by_batch(folder / name):
            side["batch"] = 1

    def write(dims: int) -> OnnxPair:
        file.write_text(json.dumps(card | {"dims": dims, "image": image, "text": text}), encoding="utf-8")
        return OnnxPair(folder)

    pair = write(1)
    pair.width = 0  # any
    image["output"] = pair.outputs[FILES[0]] = _row_output(pair._session_for_one[0], folder / FILES[0], "image_embeds")
    seen = pair.encode_pixels(pair._some)
    text["output"] = pair.outputs[FILES[1]] = _row_output(pair._reader[0], folder / FILES[1], "text_embeds")
    said = pair.space.normalise(pair._read([_SHORT]))
    for rows, name in ((seen, FILES[0]), (said, FILES[1])):
        if not np.isfinite(rows).all():
            raise BadInput(f"{folder / name} gives no finite numbers")
    if seen.shape != said.shape:
        raise BadInput(f"{folder}: {FILES[0]} gives {seen.shape[1]} numbers, and {FILES[1]} {said.shape[1]}")
    if "padding" not in card["text"] and _is_the_same_without_padding(pair, said):
        text["padding"] = "longest"
    write(seen.shape[1])
    seal(folder)


def _row_output(session: Any, file: Path, name: str) -> str:
    outputs = session.get_outputs()
    names = [each.name for each in outputs]
    named = [each for each in (name, "pooler_output") if each in names]
    flat = [each.name for each in outputs if len(each.shape) == 2]
    if not (named or len(flat) == 1):
        raise BadInput(f"{file} gives {', '.join(names)}; which of them is the row cannot be told")
    return (named or flat)[0]


def _is_the_same_without_padding(pair: OnnxPair, padded: Array) -> bool:
    pair.full = False
    try:
        rows = pair.space.normalise(pair._read([_SHORT]))
    except BadInput:  # a network for so many tokens alone, whatever it declares
        return False
    return float((rows * padded).sum()) > 1 - 1e-5


def seal(folder: str | Path) -> None:
    """Write the sha256 of each file into the card.

    Then the encoder is known without reading its files, and each is compared when it is loaded.
    """
    card = Path(folder) / CARD
    facts = _card(Path(folder)) | {"digest": {name: networks.sha256(Path(folder) / name) for name in FILES}}
    card.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _card(folder: Path) -> dict[str, Any]:
    """What the card says, each value of the kind it has to be."""
    file = folder / CARD
    missing = [name for name in (CARD, *FILES) if not (folder / name).is_file()]
    if missing:
        raise BadInput(f"{folder}: no {', '.join(missing)} in it; not an ONNX pair")
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON and of UTF-8
        raise BadInput(f"{file} does not read as JSON ({error})") from None

    def bad_card(what: str) -> BadInput:
        return BadInput(f"{file}: {what}; see how to bring an encoder of your own")

    if not isinstance(card, dict):
        raise bad_card("it is no object")
    for key, kind in {"name": str, "version": str, "dims": int, "image": dict, "text": dict}.items():
        if not isinstance(card.get(key), kind):
            raise bad_card(f"{key} is {card.get(key)!r}, no {kind.__name__}")
    image, text, digest = card["image"], card["text"], card.get("digest", {})
    for where, of, least in (("dims", card["dims"], 1), ("image.side", image.get("side"), 1)):
        if type(of) is not int or not least <= of <= 65_536:
            raise bad_card(f"{where} is {of!r}, no whole number from {least}")
    if type(text.get("length")) is not int or not 1 <= text["length"] <= 65_536:
        raise bad_card(f"text.length is {text.get('length')!r}, no number of tokens")
    if card.get("space", "cosine") != "cosine":
        raise bad_card(f"space is {card['space']!r}; an ONNX pair is compared by cosine")
    if text.get("padding", "longest") not in ("longest", "length"):
        raise bad_card(f"text.padding is {text['padding']!r}, neither longest nor length")
    if image.setdefault("resize", "squash") not in ("squash", "crop"):
        raise bad_card(f"image.resize is {image['resize']!r}, neither squash nor crop")
    filters = [each.name.lower() for each in Image.Resampling]
    if image.setdefault("resample", "bicubic") not in filters:
        raise bad_card(f"image.resample is {image['resample']!r}{nearest(str(image['resample']), filters)}")
    if type(image.get("enough", 0)) is not int or image.get("enough", 0) < 0:
        raise bad_card(f"image.enough is {image['enough']!r}, no number of pixels")
    if text.get("clean", "") not in _CLEAN:
        raise bad_card(f"text.clean is {text['clean']!r}, none of {', '.join(filter(None, _CLEAN))}")
    if type(text.get("pad", 0)) is not int or text.get("pad", 0) < 0:
        raise bad_card(f"text.pad is {text['pad']!r}, no id of a token")
    for side, told in (("image", image), ("text", text)):
        if type(told.get("batch", 0)) is not int or not 0 <= told.get("batch", 0) <= 65_536:
            raise bad_card(f"{side}.batch is {told['batch']!r}, no number of items")
        if not isinstance(told.get("output", ""), str):
            raise bad_card(f"{side}.output is {told['output']!r}, no name")
    if bool(image.get("mean")) != bool(image.get("std")):
        raise bad_card("image has one of mean and std; it needs both or neither")
    for key in ("mean", "std"):
        three = image.get(key) or [1, 1, 1]
        if not (isinstance(three, list) and len(three) == 3 and all(type(one) in (int, float) for one in three)):
            raise bad_card(f"image.{key} is {three!r}, not three numbers")
    if not all(image.get("std") or [1]):
        raise bad_card("image.std has a 0, which nothing can be divided by")
    if not isinstance(digest, dict) or not set(digest) <= set(FILES):
        raise bad_card("digest is no sha256 of each file")
    return card
