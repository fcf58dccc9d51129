import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pytest
from safetensors.numpy import save_file

from diptych.features.power import Power
from diptych.kinds import BadInput
from diptych.method import Method
from diptych.methods.subspace.cca import CCA
from diptych.methods.subspace.kcca import KCCA
from diptych.parts.fitted import Above, AtLeast, Fitted, NotEmpty, Regex, Triple
from diptych.parts.kernels import KernelMap

FLIPS = int(os.environ.get("DIPTYCH_FLIPS", "40"))


@dataclass
class Knobs(Fitted):
    dims: int = 3
    rate: float = 0.5
    name: str = "x"
    centre: bool = True
    kernel: Literal["rbf", "chi2"] = "rbf"
    landmarks: int | None = 7
    sizes: tuple[int, ...] = (4, 2)


def test_strings_read_as_the_types_of_their_fields():
    told = {"dims": "5", "rate": "1e-2", "name": "3", "centre": "no", "kernel": "chi2", "landmarks": "none"}
    made = Knobs.configured(told | {"sizes": "8,16,32"})
    assert made == Knobs(5, 0.01, "3", False, "chi2", None, (8, 16, 32))
    assert Knobs.configured({"landmarks": "12"}).landmarks == 12
    assert Knobs.configured({"centre": "True"}).centre is True
    assert Knobs.configured() == Knobs()


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("dim", "5", "has no setting 'dim'; did you mean 'dims'"),
        ("dims", "many", "dims: 'many' does not read as int"),
        ("rate", "fast", "rate: 'fast' does not read as float"),
        ("centre", "perhaps", "centre: 'perhaps' does not read as bool"),
        ("kernel", "chi", "kernel: 'chi' is no choice; did you mean 'chi2'"),
        ("landmarks", "x", "landmarks: 'x' does not read as int or None"),
        ("sizes", "8,x", "sizes: '8,x' does not read as"),
    ],
)
def test_a_wrong_setting_says_so_in_one_line(key, text, says):
    with pytest.raises(BadInput) as error:
        Knobs.configured({key: text})
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@dataclass
class Bounded(Fitted):
    dims: Annotated[int, AtLeast(1)] = 3
    rate: Annotated[float, Above(0)] = 0.5
    landmarks: Annotated[int | None, AtLeast(2)] = None
    scale: Annotated[tuple[float, ...], Triple(), Above(0)] = ()
    windows: Annotated[tuple[int, ...], NotEmpty(), AtLeast(1)] = (1,)
    word: Annotated[str, Regex()] = "a"
    free: float = 0.0
    shift: tuple[float, ...] = ()


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("dims", "0", "dims is 0; it has to be at least 1"),
        ("rate", "0", "rate is 0.0; it has to be above 0"),
        ("rate", "nan", "rate is nan; it has to be a finite number"),
        ("free", "-inf", "free is -inf; it has to be a finite number"),
        ("shift", "1,nan", "shift is (1.0, nan); it has to be a finite number"),
        ("landmarks", "1", "landmarks is 1; it has to be at least 2"),
        ("scale", "1,2", "scale is (1.0, 2.0); it has to be three numbers"),
        ("scale", "1,2,0", "scale is (1.0, 2.0, 0.0); it has to be above 0"),
        ("windows", "1,0", "windows is (1, 0); it has to be at least 1"),
        ("word", "[", "word is '['; it has to be a regular expression"),
        ("word", "(a)(b)", "word is '(a)(b)'; it has to be a regular expression with at most one group"),
    ],
)
def test_a_value_out_of_bounds_says_so_in_one_line(key, text, says):
    with pytest.raises(BadInput) as error:
        Bounded.configured({key: text})
    assert f"{Bounded.paper_name()}: {says}" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_values_where_one_is_wanted_are_told():
    with pytest.raises(BadInput, match=r"windows is \(\); it has to be one number or more"):
        Bounded._of({"windows": ()})


def test_a_value_on_its_bound_is_taken():
    told = {"dims": "1", "rate": "1e-9", "landmarks": "none", "scale": "1,2,3", "word": "(a|b)", "shift": "-1"}
    assert Bounded.configured(told) == Bounded(1, 1e-9, None, (1.0, 2.0, 3.0), word="(a|b)", shift=(-1.0,))
    assert Bounded.configured({"landmarks": "2"}).landmarks == 2


def test_settings_and_learned_are_told_apart():
    made = Power(power=0.7)
    made.seen_, made._private_, made.note = 3, 1, "no"
    assert made.settings() == {"power": 0.7}
    assert made.learned() == {"seen_": 3}
    assert CCA.paper_name() == "cca"


def test_arrays_plain_values_and_parts_come_back_as_they_were(tmp_path):
    made = KCCA(dims=9, landmarks=None)
    made.images_ = KernelMap("chi2", scale=2.0)
    made.images_.landmarks_ = np.arange(6, dtype=np.float32).reshape(2, 3).T  # not contiguous
    made.images_.width_ = np.float64(1.5)
    made.flags_, made.empty_ = np.array([True, False]), np.empty((0, 4))
    made.names_, made.count_, made.nothing_ = ["a", "é"], np.int64(5), None
    made.save_pretrained(tmp_path / "deep" / "folder")
    back = Method.from_pretrained(tmp_path / "deep" / "folder")
    assert type(back) is KCCA
    assert back.settings() == made.settings()
    assert back.learned().keys() == made.learned().keys()
    assert (back.names_, int(back.count_), back.nothing_) == (["a", "é"], 5, None)
    for name in ("flags_", "empty_"):
        assert getattr(back, name).dtype == getattr(made, name).dtype
        np.testing.assert_array_equal(getattr(back, name), getattr(made, name))
    assert back.images_.settings() == {"kernel": "chi2", "scale": 2.0, "landmarks": None, "seed": 0}
    np.testing.assert_array_equal(back.images_.landmarks_, made.images_.landmarks_)
    assert back.images_.width_ == 1.5


def test_what_can_not_be_kept_is_refused(tmp_path):
    made = Power()
    made.open_ = object()
    with pytest.raises(TypeError, match="object"):
        made.save_pretrained(tmp_path)


@pytest.fixture
def folder(tmp_path) -> Path:
    made = CCA()
    made.A_ = np.eye(2)
    made.save_pretrained(tmp_path / "kept")
    return tmp_path / "kept"


def change(folder: Path, **entries) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | entries))


def refused(folder: Path, kind: type[Fitted] = Method) -> str:
    with pytest.raises(BadInput) as error:
        kind.from_pretrained(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)
    return str(error.value)


def test_a_folder_that_is_not_fitted_says_what_is_missing(folder, tmp_path):
    assert "no config.json" in refused(tmp_path / "nowhere")
    (folder / "weights.safetensors").unlink()
    assert "weights.safetensors" in refused(folder)


@pytest.mark.parametrize("cut", [0, 5, 60])
def test_damaged_weights_say_so(folder, cut):
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:cut])
    assert "damaged" in refused(folder)


def test_a_flipped_byte_anywhere_in_a_folder_is_a_typed_error_and_never_another_result(folder):
    """`DIPTYCH_FLIPS=1000` makes it long. Without the sums most changed weights would be read as if nothing were."""
    rng = np.random.default_rng(5)
    files = {file: file.read_bytes() for file in folder.iterdir()}
    for _ in range(FLIPS):
        file = rng.choice(list(files))
        data = bytearray(files[file])
        data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        file.write_bytes(data)
        refused(folder)
        file.write_bytes(files[file])
    assert isinstance(Fitted.from_pretrained(folder), CCA)


def test_a_folder_of_an_older_version_has_no_sums_and_is_read(folder):
    (folder / "SHA256SUMS").unlink()
    assert isinstance(Fitted.from_pretrained(folder), CCA)


def test_damaged_config_says_so(folder):
    (folder / "config.json").write_text("{")
    assert "config.json does not read" in refused(folder)
    (folder / "config.json").write_text("{}")
    assert "config.json does not read" in refused(folder)


def test_code_is_never_taken_from_a_folder(folder):
    change(folder, **{"class": "xmlrpc.server:SimpleXMLRPCServer"})
    assert "not part of diptych; refused" in refused(folder)
    assert "xmlrpc.server" not in sys.modules
    change(folder, **{"class": "subprocess:Popen"})
    assert "subprocess:Popen, which is no Method" in refused(folder)
    change(folder, **{"class": "diptych.kinds:BadInput"})
    assert "no Method" in refused(folder)
    change(folder, **{"class": "diptych.methods.subspace.cca:Gone"})
    assert "no Method" in refused(folder)


def test_another_kind_of_thing_is_refused(folder):
    assert isinstance(Fitted.from_pretrained(folder), CCA)
    assert "no KernelMap" in refused(folder, KernelMap)


def test_a_folder_of_another_version_says_so(folder):
    change(folder, settings={"dims": 4, "gone": 1})
    assert "gone" in refused(folder)
    change(folder, **{"class": "diptych.methods.subspace.no_such_method:CCA"})
    assert "no_such_method" in refused(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("class", 7),
        ("class", None),
        ("class", "diptych..kinds:BadInput"),
        ("settings", []),
        ("settings", {"dims": "many"}),
        ("settings", {"dims": -1}),
        ("settings", {"dims": True}),
        ("learned", [1]),
        ("learned", {"__class__": "x"}),
        ("learned", {"encode_texts": "x"}),
        ("learned", {"_moments_": "x"}),
        ("parts", [1]),
        ("parts", "."),
        ("parts", ["."]),
        ("parts", ["../kept"]),
        ("parts", ["gone_"]),
    ],
)
def test_a_malformed_config_is_refused(folder, key, value):
    change(folder, **{key: value})
    refused(folder)


@pytest.mark.parametrize("content", [b"[]", b"7", b"null", b"\xff"])
def test_a_config_of_no_entries_is_refused(folder, content):
    (folder / "config.json").write_bytes(content)
    assert "config.json does not read" in refused(folder)


@pytest.mark.parametrize("name", ["encode_texts", "__class__", ".A_"])
def test_an_array_never_stands_in_for_a_method(folder, name):
    save_file({name: np.eye(2)}, folder / "weights.safetensors")
    assert "refused" in refused(folder)


def test_an_array_and_a_part_of_an_array_of_one_name_are_refused(folder):
    save_file({"A_": np.eye(2), "A_.b": np.eye(2)}, folder / "weights.safetensors")
    assert "A_" in refused(folder)


def test_a_subclass_with_another_default_keeps_the_bounds_of_a_field():
    @dataclass
    class Base(Fitted):
        width: Annotated[int, AtLeast(1)] = 5

    @dataclass
    class Wider(Base):
        width: int = 9

    assert Wider.configured({"width": "7"}).width == 7
    with pytest.raises(BadInput, match="width is 0; it has to be at least 1"):
        Wider.configured({"width": "0"})


def test_a_dict_of_arrays_is_kept_by_name(tmp_path, monkeypatch):
    @dataclass
    class Layers(Fitted):
        __module__ = "diptych.parts.fitted"
        __qualname__ = "Layers"

    monkeypatch.setattr("diptych.parts.fitted.Layers", Layers, raising=False)
    one = Layers()
    one.weights_ = {"a.0.weight": np.eye(2, dtype=np.float32), "b": np.arange(3), "n": np.array(4)}
    one.names_ = {"plain": 1}
    one.save_pretrained(tmp_path)
    two = Layers.from_pretrained(tmp_path)
    assert two.names_ == one.names_
    assert two.weights_.keys() == one.weights_.keys()
    for name, array in one.weights_.items():
        np.testing.assert_array_equal(two.weights_[name], array)
        assert two.weights_[name].dtype == array.dtype
