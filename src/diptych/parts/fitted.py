"""What every method and every feature is: a dataclass of hyper-parameters that learns something and can be kept.

Fields of the dataclass are hyper-parameters, each with a default. What fitting learns is an attribute whose name ends
in `_`: arrays, dicts of arrays by name, plain JSON values, or other `Fitted` things. A folder keeps them as
safetensors and JSON, never pickle, each file with its sum.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import inspect
import json
import math
import re
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from diptych.kinds import BadInput, listed, nearest, place, shown
from diptych.parts.plugins import METHODS, loaded, plugins

# A field declares what its values are besides their type: `dims: Annotated[int, AtLeast(1)] = 512`. Of a tuple, a bound
# on numbers holds for each of them. Every float has to be finite, and None is never out of bounds.


MOVED = {"diptych.flow.encoder": "diptych.encoder"}
"""Where a module lies now, by the name that it had when the first folders were written. Folders, and the identities of
collections, keep the old name, so that nothing has to be fitted or encoded anew because a file has moved."""


SUMS = "SHA256SUMS"
"""The sums of the files in a folder, as `sha256sum -c` reads them: a changed bit of a weight would never be noticed."""


class Bound(typing.Protocol):
    """What a value of a field has to be: "it has to be {bound}"."""

    def allows(self, value: Any) -> bool: ...


@dataclass(frozen=True)
class AtLeast:
    least: float

    def allows(self, value: Any) -> bool:
        return all(one >= self.least for one in _each(value))

    def __str__(self) -> str:
        return f"at least {self.least:g}"


@dataclass(frozen=True)
class Above:
    limit: float

    def allows(self, value: Any) -> bool:
        return all(one > self.limit for one in _each(value))

    def __str__(self) -> str:
        return f"above {self.limit:g}"


@dataclass(frozen=True)
class Below:
    limit: float

    def allows(self, value: Any) -> bool:
        return all(one < self.limit for one in _each(value))

    def __str__(self) -> str:
        return f"below {self.limit:g}"


@dataclass(frozen=True)
class NotEmpty:
    """One value at the least."""

    def allows(self, value: Any) -> bool:
        return len(value) > 0

    def __str__(self) -> str:
        return "one number or more"


@dataclass(frozen=True)
class Triple:
    """Three values, or none of them."""

    def allows(self, value: Any) -> bool:
        return len(value) in (0, 3)

    def __str__(self) -> str:
        return "three numbers"


@dataclass(frozen=True)
class Regex:
    """A regular expression; of several groups nobody could say which one is meant."""

    def allows(self, value: Any) -> bool:
        try:
            return re.compile(value).groups <= 1
        except re.error:
            return False

    def __str__(self) -> str:
        return "a regular expression with at most one group"


class Fitted:
    """Base of `Method` and `Feature`. Subclasses are dataclasses; nothing is computed in their constructor."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @classmethod
    def paper_name(cls) -> str:
        """The name used on the command line: that of its file; of a class from outside this package, its own."""
        package, _, file = cls.__module__.rpartition(".")
        return file if package.partition(".")[0] == "diptych" else cls.__name__

    @classmethod
    def kept_class(cls) -> str:
        """`module:class`, as folders name it."""
        kept = {now: before for before, now in MOVED.items()}
        return f"{kept.get(cls.__module__, cls.__module__)}:{cls.__qualname__}"

    def settings(self) -> dict[str, Any]:
        """Hyper-parameter -> value. Raises BadInput for a class that declares fields and was not made a dataclass."""
        made = "__dataclass_fields__" in vars(type(self))
        if not dataclasses.is_dataclass(self) or (not made and inspect.get_annotations(type(self))):
            raise BadInput(f"{type(self).__name__} is no dataclass; write @dataclass above the class")
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def configured(cls, settings: dict[str, str] | None = None) -> Self:
        """An instance from `key=value` strings, each read as the type of its field.

        Raises BadInput for a name that is no hyper-parameter, and for a value that does not read as its type or is out
        of its bounds.
        """
        if not isinstance(settings, Mapping | None):
            raise BadInput(f"settings: {shown(settings)} is no mapping; give a dict of names and values")
        hints = typing.get_type_hints(cls)
        values = {}
        for key, text in (settings or {}).items():
            if key not in (names := [field.name for field in dataclasses.fields(cls)]):
                raise BadInput(f"{cls.paper_name()} has no setting {key!r}{nearest(key, names)}")
            values[key] = _read(f"{cls.paper_name()}: {key}", hints[key], text)
        return cls._of(values)

    @classmethod
    def _of(cls, values: dict[str, Any]) -> Self:
        """An instance with these settings. Raises BadInput for a value of another type or out of its bounds."""
        plain = typing.get_type_hints(cls)
        for key, value in values.items():
            if key not in (field.name for field in dataclasses.fields(cls)):
                raise BadInput(f"{cls.paper_name()} has no setting {key!r}")
            where = f"{cls.paper_name()}: {key} is {value!r}; it has to be"
            if not _is(value, plain[key]):
                raise BadInput(f"{where} {_named(plain[key])}")
            if not all(math.isfinite(one) for one in _each(value) if isinstance(one, float)):
                raise BadInput(f"{where} a finite number")
            for bound in cls._bounds(key):
                if value is not None and not bound.allows(value):
                    raise BadInput(f"{where} {bound}")
        return cls(**values)

    @classmethod
    @cache  # reading the annotations of a class takes milliseconds, and every fit asks for all fields
    def _bounds(cls, name: str) -> tuple[Bound, ...]:
        """Those of a field, wherever it was declared: a subclass that gives it another default keeps them."""
        return tuple(
            bound
            for base in cls.__mro__
            if name in vars(base).get("__annotations__", {})
            for bound in getattr(typing.get_type_hints(base, include_extras=True)[name], "__metadata__", ())
        )

    def learned(self) -> dict[str, Any]:
        """What fitting learned: attribute -> value."""
        return {name: value for name, value in vars(self).items() if name.endswith("_") and not name.startswith("_")}

    def save_pretrained(self, folder: str | Path) -> None:
        """Write settings and learned state: `config.json`, `weights.safetensors` and their sums; nested things in
        sub-folders.

        folder   made where it is not there
        Raises BadInput for a class that could not be found again, because it stands inside a function or class.
        """
        from safetensors.numpy import save_file

        if "." in type(self).__qualname__:
            raise BadInput(f"{type(self).__qualname__} stands inside another thing; move the class to its module's top")
        home = place(folder)
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{home}: no folder can be made there ({error.strerror}); name another") from None
        arrays: dict[str, np.ndarray] = {}
        plain: dict[str, Any] = {}
        parts: list[str] = []
        for name, value in self.learned().items():
            if isinstance(value, Fitted):
                value.save_pretrained(home / name)
                parts.append(name)
            elif isinstance(value, np.ndarray | np.generic):
                arrays[name] = np.asarray(value, order="C")
            elif isinstance(value, dict) and value and all(isinstance(array, np.ndarray) for array in value.values()):
                # No attribute has a dot in its name, so what follows the first one is the key.
                arrays |= {f"{name}.{key}": np.asarray(array, order="C") for key, array in value.items()}
            else:
                plain[name] = value
        save_file(arrays, home / "weights.safetensors")
        config = {
            "class": self.kept_class(),
            "settings": self.settings(),
            "learned": plain,
            "parts": parts,
        }
        text = json.dumps(config, indent=1, ensure_ascii=False, default=_plain)
        (home / "config.json").write_text(text + "\n", encoding="utf-8")
        (home / SUMS).write_text(_sums(home), encoding="ascii")

    @classmethod
    def from_pretrained(cls, folder: str | Path, modules: Sequence[str] = ()) -> Self:
        """Read what `save_pretrained` wrote. The folder names classes, and code is never read from it.

        modules   names of modules that classes may come from, besides this package, the methods of installed plug-ins
                  and the modules that are imported already: `["my_package.methods"]`. Nothing else is imported
        Raises BadInput for a folder that is none of ours, damaged, or of another version.
        """
        home = place(folder)
        config, arrays = _config(home), _arrays(home)
        modules = listed(modules, "modules", "names")  # of a text, any part of it would pass for one
        found = _class(home, config["class"], modules)
        name = config["class"].partition(":")[2]
        if not (isinstance(found, type) and issubclass(found, cls)):
            raise BadInput(f"{home} holds {config['class']}, which is no {cls.__name__}")
        try:
            # JSON has no tuples: a tuple field gets its tuple back.
            thing = found._of({key: tuple(v) if isinstance(v, list) else v for key, v in config["settings"].items()})
        except (BadInput, TypeError) as error:  # TypeError: an abstract class
            raise BadInput(f"{home}/config.json is of another version of {name} ({error}); fit again") from None
        learned: dict[str, Any] = {}
        for key, array in arrays.items():
            attribute, dot, part = key.partition(".")
            if attribute in learned and not (dot and isinstance(learned[attribute], dict)):
                raise BadInput(f"{home}/weights.safetensors holds {attribute} twice; fit again")
            if dot:
                learned.setdefault(attribute, {})[part] = array
            else:
                learned[attribute] = array
        learned |= config["learned"]
        for attribute in [*learned, *config["parts"]]:
            # Nothing in a folder may stand in for a method, or lead out of the folder.
            if not re.fullmatch(r"[A-Za-z]\w*_", attribute):
                raise BadInput(f"{home}: {attribute!r} is no name of what was learned, such as A_; refused")
        for attribute, value in learned.items():
            setattr(thing, attribute, value)
        for part in config["parts"]:
            setattr(thing, part, Fitted.from_pretrained(home / part, modules))
        _check_sums(home)
        return thing


def _class(home: Path, kept: str, modules: Sequence[str]) -> Any:
    """What `module:class` names; None where the module has nothing of that name.

    A folder may come from a stranger, so what it names is imported from this package, or where the caller says so.
    """
    module, _, name = kept.partition(":")
    module = MOVED.get(module, module)
    if module.startswith("diptych.") or module in modules:
        try:
            return vars(importlib.import_module(module)).get(name)
        except ModuleNotFoundError as error:
            raise BadInput(f"{home} needs the module {error.name}, which is not installed here") from None
    if module in sys.modules:
        # What it holds, and not getattr, by which a module may import others.
        return getattr(sys.modules[module], "__dict__", {}).get(name)
    top = module.partition(".")[0]
    for entry in plugins(METHODS).values():
        if entry.module.partition(".")[0] == top:
            offered = loaded(entry)
            if isinstance(offered, type) and issubclass(offered, Fitted) and offered.kept_class() == kept:
                return offered
    raise BadInput(
        f"{home}/config.json names {module}, which is not part of diptych; refused. If you trust it, import it first, "
        f'or say from_pretrained(…, modules=["{module}"])'
    )


def _config(home: Path) -> dict[str, Any]:
    """What `config.json` says: class, settings, learned and parts."""
    file = home / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{home}: no config.json in it; not a fitted folder") from None
    except ValueError as error:  # of JSON and of UTF-8
        raise BadInput(f"{file} does not read as a fitted thing ({error})") from None
    for key, kind in {"class": str, "settings": dict, "learned": dict, "parts": list}.items():
        if not isinstance(config, dict) or not isinstance(config.get(key), kind):
            raise BadInput(f"{file} does not read as a fitted thing ({key} is no {kind.__name__})")
    if not all(isinstance(part, str) for part in config["parts"]):
        raise BadInput(f"{file} does not read as a fitted thing (parts is no list of names)")
    return dict(config)


def _arrays(home: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    try:
        return load_file(home / "weights.safetensors")
    except FileNotFoundError:
        raise BadInput(f"{home}: no weights.safetensors in it; not a fitted folder") from None
    except Exception as error:  # its own class, defined in Rust, and what its header makes of numpy
        raise BadInput(f"{home}/weights.safetensors is damaged ({error}); fit again") from None


def _sums(home: Path) -> str:
    found = []
    for name in ("config.json", "weights.safetensors"):
        with (home / name).open("rb") as file:
            found.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    return "".join(found)


def _check_sums(home: Path) -> None:
    """Raises BadInput where a file is not what was saved. Folders of older versions have none."""
    try:
        kept = (home / SUMS).read_bytes()
    except FileNotFoundError:
        return
    if kept != _sums(home).encode():
        raise BadInput(f"{home} is not as it was saved; fit again, or delete {home / SUMS} if you changed it yourself")


def _options(hint: Any) -> tuple[Any, ...]:
    """The types a hint leaves open; those of a union, else itself."""
    return typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)


def _each(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _named(hint: Any) -> str:
    return " or ".join(getattr(option, "__name__", str(option)) for option in _options(hint))


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is of the annotated type."""
    for option in _options(hint):
        origin, inner = typing.get_origin(option), typing.get_args(option)
        if origin is typing.Literal:
            found = value in inner
        elif origin is tuple:
            found = isinstance(value, tuple) and all(_is(part, inner[0]) for part in value)
        elif option in (int, float):
            found = isinstance(value, int | option) and not isinstance(value, bool)
        else:
            found = isinstance(value, origin or option)
        if found:
            return True
    return False


def _read(where: str, hint: Any, text: str) -> Any:
    """A string as a value of the annotated type; `none` for an optional one."""
    options = _options(hint)
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
    raise BadInput(f"{where}: {text!r} does not read as {_named(hint)}")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is neither an array, a JSON value nor a Fitted part")
