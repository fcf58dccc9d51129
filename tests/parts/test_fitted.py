import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from diptych.features.power import Power
from diptych.kinds import BadInput
from diptych.method import Method
from diptych.methods.subspace.cca import CCA
from diptych.methods.subspace.kcca import KCCA
from diptych.parts.fitted import Fitted
from diptych.parts.kernels import KernelMap


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


def test_damaged_config_says_so(folder):
    (folder / "config.json").write_text("{")
    assert "config.json does not read" in refused(folder)
    (folder / "config.json").write_text("{}")
    assert "config.json does not read" in refused(folder)


def test_code_is_never_taken_from_a_folder(folder):
    change(folder, **{"class": "subprocess:Popen"})
    assert "not part of diptych; refused" in refused(folder)
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
