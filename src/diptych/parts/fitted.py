"""What every method and every feature is: a dataclass of hyper-parameters that learns something and can be kept.

Fields of the dataclass are hyper-parameters, each with a default. What fitting learns is an attribute whose name ends
in `_`: arrays, plain JSON values, or other `Fitted` things. A folder keeps them as safetensors and JSON, never pickle.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import types
import typing
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from diptych.kinds import BadInput, nearest


class Fitted:
    """Base of `Method` and `Feature`. Subclasses are dataclasses; nothing is computed in their constructor."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @classmethod
    def paper_name(cls) -> str:
        """The name used on the command line: the name of the file the class lives in."""
        return cls.__module__.rpartition(".")[2]

    def settings(self) -> dict[str, Any]:
        """Hyper-parameter -> value."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def configured(cls, settings: dict[str, str] | None = None) -> Self:
        """An instance from `key=value` strings, each read as the type of its field.

        Raises BadInput for a name that is no hyper-parameter and for a value that does not read as its type.
        """
        hints = typing.get_type_hints(cls)
        values = {}
        for key, text in (settings or {}).items():
            if key not in (names := [field.name for field in dataclasses.fields(cls)]):
                raise BadInput(f"{cls.paper_name()} has no setting {key!r}{nearest(key, names)}")
            values[key] = _read(f"{cls.paper_name()}: {key}", hints[key], text)
        return cls(**values)

    def learned(self) -> dict[str, Any]:
        """What fitting learned: attribute -> value."""
        return {name: value for name, value in vars(self).items() if name.endswith("_") and not name.startswith("_")}

    def save_pretrained(self, folder: str | Path) -> None:
        """Write settings and learned state: `config.json` and `weights.safetensors`; nested things in sub-folders."""
        from safetensors.numpy import save_file

        home = Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, np.ndarray] = {}
        plain: dict[str, Any] = {}
        parts: list[str] = []
        for name, value in self.learned().items():
            if isinstance(value, Fitted):
                value.save_pretrained(home / name)
                parts.append(name)
            elif isinstance(value, np.ndarray | np.generic):
                arrays[name] = np.asarray(value, order="C")
            else:
                plain[name] = value
        save_file(arrays, home / "weights.safetensors")
        config = {
            "class": f"{type(self).__module__}:{type(self).__qualname__}",
            "settings": self.settings(),
            "learned": plain,
            "parts": parts,
        }
        text = json.dumps(config, indent=1, ensure_ascii=False, default=_plain)
        (home / "config.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Read what `save_pretrained` wrote. The folder names a class of this package; code is never read from it."""
        from safetensors.numpy import load_file

        home = Path(folder)
        try:
            config = json.loads((home / "config.json").read_text(encoding="utf-8"))
            module, _, name = config["class"].partition(":")
            arrays = load_file(home / "weights.safetensors")
        except FileNotFoundError as error:
            missing = Path(error.filename or "weights.safetensors").name  # safetensors names no file
            raise BadInput(f"{home}: no {missing} in it; not a fitted folder") from None
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise BadInput(f"{home}/config.json does not read as a fitted thing ({error})") from None
        except Exception as error:  # safetensors raises its own class, defined in Rust
            raise BadInput(f"{home}/weights.safetensors is damaged ({error}); fit again") from None
        if not module.startswith("diptych."):
            raise BadInput(f"{home}/config.json names {module}, which is not part of diptych; refused")
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ModuleNotFoundError as error:
            raise BadInput(f"{home} needs the module {error.name}, which is not installed here") from None
        if not (isinstance(found, type) and issubclass(found, cls)):
            raise BadInput(f"{home} holds {module}:{name}, which is no {cls.__name__}")
        try:
            # JSON has no tuples: a tuple field gets its tuple back.
            settings = {key: tuple(v) if isinstance(v, list) else v for key, v in config["settings"].items()}
            thing, learned, parts = found(**settings), config["learned"], config["parts"]
        except (KeyError, TypeError) as error:
            raise BadInput(f"{home}/config.json is of another version of {name} ({error}); fit again") from None
        for key, value in {**arrays, **learned}.items():
            setattr(thing, key, value)
        for part in parts:
            setattr(thing, part, Fitted.from_pretrained(home / part))
        return thing


def _read(where: str, hint: Any, text: str) -> Any:
    """A string as a value of the annotated type; `none` for an optional one."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if types.NoneType in options and text.lower() == "none":
        return None
    for option in options:
        try:
            if option is bool:
                return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
            if typing.get_origin(option) is typing.Literal:
                choices = typing.get_args(option)
                if text not in choices:
                    raise BadInput(f"{where}: {text!r} is no choice{nearest(text, choices)}")
                return text
            if typing.get_origin(option) is tuple:
                return tuple(typing.get_args(option)[0](part) for part in text.split(","))
            if option is not types.NoneType:
                return option(text)
        except BadInput:
            raise
        except (ValueError, KeyError):
            continue
    names = " or ".join(getattr(option, "__name__", str(option)) for option in options)
    raise BadInput(f"{where}: {text!r} does not read as {names}")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is neither an array, a JSON value nor a Fitted part")
