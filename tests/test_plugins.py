"""Methods and datasets that come from outside the package."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from flow_world import MadeUp
from plugin_world import install

import diptych as d
from diptych import catalogue
from diptych.parts.plugins import plugins

NAMED = """
[diptych.methods]
rotation = rotations:Rotation
[diptych.datasets]
far_away = rotations
"""


@dataclass
class Mine(d.ClosedForm):
    """Both sides by their first directions; learns next to nothing."""

    dims: int = 3
    seed: int = 0

    def solve(self, X, Y, L):
        rng = np.random.default_rng(self.seed)
        return rng.standard_normal((X.shape[1], self.dims)), rng.standard_normal((Y.shape[1], self.dims))


@dataclass
class Trained(d.Descent):
    epochs: int = 1
    dims: int = 4

    def network(self, facts):
        from diptych import parts

        return parts.heads.Network(
            *(parts.heads.mlp(facts[side], 0, self.dims) for side in ("image_width", "text_width"))
        )

    def loss(self, net, images, texts, batch):
        from diptych import parts

        return {"distance": 1 - parts.losses.cosines(images, texts).diagonal().mean()}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """installed(entry points): such a distribution is there, for this process and those it starts."""

    def put(entry_points: str = NAMED) -> None:
        home = install(tmp_path / "site", entry_points)
        monkeypatch.syspath_prepend(home)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")]))
        plugins.cache_clear()

    yield put
    plugins.cache_clear()
    for name in ("rotations", "rotations_broken"):
        sys.modules.pop(name, None)


def run(*arguments, **environment):
    command = [sys.executable, "-m", "diptych.app.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)


# ------------------------------------------------------------------------------------------------- one's own, by hand


def test_a_method_of_ones_own_is_measured_and_stays_as_it_was():
    mine = Mine(dims=5, seed=3)
    found = d.evaluate(mine, MadeUp().dataset, seed=9)
    assert not mine.learned()
    assert found.report.method == "Mine" and found.report.settings == {"dims": 5, "seed": 3}
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(found.encoder.method_.A_, rng.standard_normal((8, 5)))
    same = d.fit(mine, MadeUp().dataset)
    assert same.trained_on_["method"] == "Mine"
    np.testing.assert_array_equal(same.method_.B_, found.encoder.method_.B_)
    again = d.evaluate(same, MadeUp().dataset)
    assert (again.report.i2t, again.report.t2i) == (found.report.i2t, found.report.t2i)


def test_a_network_of_ones_own_is_trained_by_the_one_loop():
    pytest.importorskip("torch")
    found = d.evaluate(Trained(epochs=2), MadeUp().dataset)
    assert found.report.method == "Trained" and found.report.settings["epochs"] == 2


class Bare(d.ClosedForm):
    def solve(self, X, Y, L):
        return np.eye(X.shape[1])[:, :2], np.eye(Y.shape[1])[:, :2]


@pytest.mark.parametrize(
    ("method", "more", "says"),
    [
        (Mine(), {"settings": {"dims": "2"}}, "settings: Mine has its own"),
        (Bare(), {}, "Bare is no dataclass; write @dataclass above the class"),
        (Mine, {}, r"method: <class .*Mine.> is neither a name nor a method"),
        (3, {}, "method: 3 is neither a name nor a method"),
    ],
)
def test_what_is_no_method_is_refused_by_name(method, more, says):
    with pytest.raises(d.BadInput, match=says):
        d.evaluate(method, MadeUp().dataset, **more)


def test_an_encoder_of_ones_own_method_is_kept_and_read(tmp_path):
    world = MadeUp()
    encoder = d.Encoder.of("given", "given", Mine(dims=4)).fit(world.read("train"))
    encoder.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "method_" / "config.json").read_text(encoding="utf-8"))
    assert config["class"] == f"{__name__}:Mine"
    back = d.Encoder.from_pretrained(tmp_path)  # this module is imported already
    np.testing.assert_array_equal(back.encode_images(world.all.images), encoder.encode_images(world.all.images))
    assert isinstance(back.method_, Mine) and back.method_.dims == 4


def test_a_class_inside_a_function_is_not_kept(tmp_path):
    @dataclass
    class Inner(Mine):
        pass

    with pytest.raises(d.BadInput, match="Inner stands inside another thing"):
        d.Encoder.of("given", "given", Inner()).fit(MadeUp().read("train")).save_pretrained(tmp_path)


LOAD = """
import sys
import diptych as d
{before}
try:
    found = d.{call}
    print(type(found.method_).__name__, "rotations" in sys.modules)
except d.BadInput as error:
    print("refused", "rotations" in sys.modules, error)
"""


@pytest.mark.parametrize(
    ("before", "call", "says"),
    [
        ("", "Encoder.from_pretrained({folder!r})", "refused False"),
        ("", "load({folder!r})", "refused False"),
        ("", "Encoder.from_pretrained({folder!r}, modules=['other'])", "refused False"),
        ("import rotations", "Encoder.from_pretrained({folder!r})", "Rotation True"),
        ("", "Encoder.from_pretrained({folder!r}, modules=['rotations'])", "Rotation True"),
        ("", "load({folder!r}, modules=['rotations'])", "Rotation True"),
    ],
)
def test_a_folder_imports_only_what_the_caller_imported_or_named(tmp_path, installed, before, call, says):
    installed("")
    import rotations

    folder = tmp_path / "fitted"
    d.fit(rotations.Rotation(), MadeUp().dataset, None).save_pretrained(folder)
    code = LOAD.format(before=before, call=call.format(folder=str(folder)))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(says), done.stdout
    assert says.startswith("refused") is ('modules=["rotations"]' in done.stdout)


def test_a_folder_asks_no_module_for_what_it_would_have_to_fetch(tmp_path):
    """A module may import others when it is asked for a name, as this package does; a folder has no such power."""
    encoder = d.Encoder.of("given", "given", Mine()).fit(MadeUp().read("train"))
    encoder.save_pretrained(tmp_path)
    config = tmp_path / "method_" / "config.json"
    for kept in ("lazy_world:Rotation", "diptych:Collection"):
        config.write_text(json.dumps(json.loads(config.read_text()) | {"class": kept}))
        asked = []
        module = type(sys)("lazy_world")
        module.__getattr__ = asked.append
        sys.modules["lazy_world"] = module
        try:
            with pytest.raises(d.BadInput, match="which is no Fitted"):
                d.Encoder.from_pretrained(tmp_path)
        finally:
            del sys.modules["lazy_world"]
        assert asked == []


# ------------------------------------------------------------------------------------------------------------ plug-ins


def test_plug_ins_are_listed_with_what_they_come_from(installed):
    installed()
    found = {row["name"]: row for row in json.loads(run("methods", "--json").stdout)}
    assert found["rotation"]["family"] == "plug-in" and found["rotation"]["distribution"] == "rotations 1.2"
    assert found["rotation"]["year"] == 1966 and "Schönemann" in found["rotation"]["paper"]
    assert {row["distribution"] for name, row in found.items() if name != "rotation"} == {""}
    assert "plug-in of rotations 1.2" in next(li for li in run("methods").stdout.splitlines() if "Schönemann" in li)
    assert "far_away" in {row["name"] for row in json.loads(run("datasets", "--json").stdout)}


def test_a_plug_in_is_found_by_its_name_and_measured_fitted_and_read(installed, tmp_path):
    installed()
    assert catalogue.method("rotation").__name__ == "Rotation"
    asked = ("--dataset", "far_away", "--json")
    report = json.loads(run("evaluate", "rotation", *asked, "--set", "dims=6").stdout)
    assert report["method"] == "rotation" and report["dataset"] == "far_away" and report["i2t"]["r@1"] == 1.0
    assert run("fit", "rotation", "--dataset", "far_away", "--out", tmp_path / "out").returncode == 0
    # A plug-in is code that was installed; a folder may name the classes that it offers, and nothing else.
    again = run("evaluate", tmp_path / "out", *asked)
    assert json.loads(again.stdout)["i2t"] == report["i2t"], again.stderr
    with pytest.raises(d.BadInput, match="there is no method 'rotatoin'; did you mean 'rotation'"):
        catalogue.method("rotatoin")


def test_a_folder_names_only_what_a_plug_in_offers(installed, tmp_path):
    installed("[diptych.methods]\nrotation = rotations:Rotation\n")
    import rotations

    d.fit(rotations.Rotation(), MadeUp().dataset).save_pretrained(tmp_path / "out")
    config = tmp_path / "out" / "method_" / "config.json"
    config.write_text(config.read_text().replace("rotations:Rotation", "rotations_broken:Rotation"))
    del sys.modules["rotations"]
    with pytest.raises(d.BadInput, match="refused"):
        d.Encoder.from_pretrained(tmp_path / "out")
    assert "rotations_broken" not in sys.modules


def test_names_of_the_package_win_and_a_clash_is_said(installed):
    installed("[diptych.methods]\ncca = rotations:Rotation\n[diptych.datasets]\nemoji = rotations\n")
    with pytest.warns(UserWarning, match=r"rotations 1.2 brings 'cca' to diptych.methods; the one that comes with"):
        assert catalogue.method("cca").__name__ == "CCA"
    with pytest.warns(UserWarning, match="rotations 1.2 brings 'emoji'"):
        assert catalogue.dataset("emoji").card.name == "emoji"
    told = run("methods")
    assert told.returncode == 0 and "'cca'" in told.stderr and "plug-in" not in told.stdout


@pytest.mark.parametrize(
    ("entry_points", "ask", "says"),
    [
        ("[diptych.methods]\nx = rotations_broken:Y\n", lambda: catalogue.method("x"), "RuntimeError: out of order"),
        ("[diptych.methods]\nx = rotations:Gone\n", lambda: catalogue.method("x"), "rotations:Gone does not load"),
        (
            "[diptych.methods]\nx = rotations:read\n",
            lambda: catalogue.method("x"),
            "x is no subclass of",
        ),
        ("[diptych.datasets]\nx = rotations:Rotation\n", lambda: catalogue.dataset("x"), r"x has no CARD and read"),
    ],
)
def test_a_plug_in_that_is_none_is_named(installed, entry_points, ask, says):
    installed(entry_points)
    with pytest.raises(d.BadInput, match=rf"rotations 1\.2: .*{says}"):
        ask()
