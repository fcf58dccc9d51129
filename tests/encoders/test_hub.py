"""Models of transformers give what transformers gives; what is fetched once is there without a network."""

import json
import os
import shutil
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diptych.encoders import hub, shelf
from diptych.encoders.hub import Transformers
from diptych.encoders.pair import OnnxPair
from diptych.kinds import BadInput
from diptych.sources import pictures as files

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tiny_torch import features, model  # noqa: E402

TEXTS = ["a red dog", "two cat", "the sea", "a dog runs on the sea and never stops"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_rows_are_those_of_transformers(tmp_path, pictures, no_network, kind):
    made, processor, words = model(tmp_path / "model", kind)
    encoder = Transformers(tmp_path / "model")
    small = [path for path in pictures if path.name != "large.jpg"]  # which would be decoded at half size
    values = processor([files.load(path) for path in small], return_tensors="pt")["pixel_values"]
    padding = "max_length" if kind == "siglip" else True
    tokens = words(TEXTS, padding=padding, truncation=True, max_length=9, return_tensors="pt")
    tokens = {key: tokens[key] for key in ("input_ids", "attention_mask")[: 1 if kind == "siglip" else 2]}
    with torch.inference_mode():
        images, texts = features(made.get_image_features(values)), features(made.get_text_features(**tokens))
    found = encoder.encode_images(small), encoder.encode_texts(TEXTS)
    assert found[0].shape == (7, encoder.width) and found[1].shape == (4, encoder.width)
    for ours, theirs in zip(found, (images, texts), strict=True):
        assert ((ours * theirs).sum(axis=1) >= 0.9999).all()
        assert (ours @ theirs.T).argmax(axis=1).tolist() == list(range(len(ours))), "and each is nearest to its own"
    for text, ours in zip(TEXTS, found[1], strict=True):  # the longest of a batch fills up the others
        assert (encoder.encode_texts([text])[0] * ours).sum() >= 0.9999


def test_weights_that_can_run_code_are_refused(tmp_path):
    model(tmp_path / "model", "clip")
    (tmp_path / "model" / "model.safetensors").rename(tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(BadInput, match=r"no model\.safetensors in it"):
        Transformers(tmp_path / "model")


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    model(tmp_path / "model", "clip")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config |= {"model_type": "ours", "auto_map": {"AutoModel": "evil.Model", "AutoConfig": "evil.Config"}}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    (tmp_path / "model" / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(BadInput, match="transformers does not load it") as error:
        Transformers(tmp_path / "model").encode_texts(["a dog"])
    assert not (tmp_path / "ran").exists() and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("says", "named"),
    [
        ({"size": {"height": 32, "width": 16}}, "one square"),
        ({"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": 32}, "one square"),
        ({"size": {"shortest_edge": 32}, "do_center_crop": False}, "keep their shape"),
        ({"size": 32, "resample": 9}, "resizes in a way"),
        ({"size": 32, "rescale_factor": 1}, "rescale_factor is 1"),
        ({}, "one square"),
    ],
)
def test_preprocessing_that_is_not_ours_is_refused(tmp_path, says, named):
    model(tmp_path / "model", "clip")
    for file in tmp_path.glob("model/*processor_config.json"):
        file.unlink()
    (tmp_path / "model" / "preprocessor_config.json").write_text(json.dumps(says))
    with pytest.raises(BadInput, match=named):
        Transformers(tmp_path / "model")


def bare(folder: Path, config: dict, says: dict, file: str = "preprocessor_config.json") -> Path:
    """A folder that is a model by the names of its files."""
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").touch()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / file).write_text(json.dumps(says))
    return folder


SQUARE, EDGE = {"height": 32, "width": 32}, {"shortest_edge": 32}
MEANS = {"image_mean": [0.5] * 3, "image_std": [0.25] * 3}
PLAIN, NORMAL = ((0.0,) * 3, (1.0,) * 3), ((0.5,) * 3, (0.25,) * 3)


@pytest.mark.parametrize(
    ("says", "resize", "resample", "normal"),
    [
        ({"size": 32}, "squash", "bicubic", PLAIN),
        ({"size": SQUARE, "resample": 2}, "squash", "bilinear", PLAIN),
        ({"size": 32, "crop_size": 16, "resample": 1}, "squash", "lanczos", PLAIN),
        ({"size": 32, "crop_size": 32, "do_center_crop": True}, "crop", "bicubic", PLAIN),
        ({"size": EDGE, "crop_size": SQUARE, "do_center_crop": True}, "crop", "bicubic", PLAIN),
        ({"size": SQUARE, "crop_size": 32, "do_center_crop": True}, "squash", "bicubic", PLAIN),
        ({"size": 32, **MEANS, "resample": 0, "rescale_factor": 0.00392156862745098}, "squash", "nearest", NORMAL),
        ({"size": 32, **MEANS, "do_normalize": False, "resample": 5}, "squash", "hamming", PLAIN),
    ],
)
def test_preprocessing_is_as_the_file_says(tmp_path, says, resize, resample, normal):
    seen = files.Preprocessing(32, resize, resample, 64)
    encoder = Transformers(bare(tmp_path / "m", {}, says))
    assert (encoder.preprocessing, (encoder.mean, encoder.std)) == (seen, normal)
    newer = bare(tmp_path / "m", {}, {"image_processor": says}, "processor_config.json")
    (newer / "preprocessor_config.json").write_text('{"size": 99}')  # which is asked where the newer says nothing of it
    assert Transformers(newer).preprocessing == seen
    (newer / "processor_config.json").write_text('{"image_processor": "of another kind"}')
    assert Transformers(newer).preprocessing.side == 99


@pytest.mark.parametrize("step", ["do_resize", "do_rescale"])
def test_preprocessing_that_leaves_out_a_step_is_refused(tmp_path, step):
    with pytest.raises(BadInput, match="resizes in a way that is not known here; bring the model as an ONNX pair"):
        Transformers(bare(tmp_path / "m", {}, {"size": 32, step: False}))


@pytest.mark.parametrize(
    ("config", "length", "width"),
    [
        ({}, 77, 512),
        ({"model_type": "clip", "projection_dim": 24, "text_config": {"max_position_embeddings": 9}}, 9, 24),
        ({"model_type": "clip", "projection_dim": 0, "text_config": None}, 77, 512),
        ({"model_type": "siglip", "projection_dim": 24}, 64, 768),
        ({"model_type": "siglip", "vision_config": {"hidden_size": 32}}, 64, 32),
    ],
)
def test_what_a_config_does_not_say_is_what_transformers_takes_for_it(tmp_path, config, length, width):
    encoder = Transformers(bare(tmp_path / "m", config, {"size": 32}))
    assert (encoder.length, encoder.width, encoder.reads) == (length, width, f"{length} tokens")
    assert (encoder.name, encoder.revision) == ("m", "")
    assert encoder.trained_on_ == {"method": "m", "revision": ""}


def test_a_folder_that_is_no_model_of_transformers_says_what_it_lacks(tmp_path):
    folder = bare(tmp_path / "m", {"model_type": "siglip2"}, {"size": 32})
    with pytest.raises(BadInput, match="takes pictures of any shape; bring a model of one resolution"):
        Transformers(folder)
    for text, why in (("[]", "is no object"), ("{", r"does not read as JSON \("), (None, r"not readable \(No such")):
        (folder / "config.json").write_text(text) if text else (folder / "config.json").unlink()
        with pytest.raises(BadInput, match=rf"config\.json:? {why}"):
            Transformers(folder)


def test_transformers_says_as_much_as_before_once_a_model_is_loaded(tmp_path, monkeypatch):
    model(tmp_path / "m", "clip")
    logging = transformers.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    for level, bar in ((logging.INFO, True), (logging.CRITICAL, False)):
        logging.set_verbosity(level)
        (logging.enable_progress_bar if bar else logging.disable_progress_bar)()
        with hub._loading(tmp_path / "m"):
            assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (logging.ERROR, False)
        Transformers(tmp_path / "m").encode_texts(["a dog"])
        assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (level, bar)
    logging.set_verbosity(before[0])
    (logging.enable_progress_bar if before[1] else logging.disable_progress_bar)()
    for lacks in ("torch", "transformers"):
        monkeypatch.setattr(hub, "find_spec", lambda name, lacks=lacks: name != lacks)
        with pytest.raises(BadInput, match=r"m needs torch and transformers: pip install 'diptych\[torch\]'"):
            Transformers(tmp_path / "m").encode_texts(["a dog"])


def test_damaged_files_are_one_line(tmp_path):
    for file in ("config.json", "model.safetensors", "tokenizer.json"):
        folder = tmp_path / file
        model(folder, "clip")
        (folder / file).write_bytes(b"{ nothing")
        with pytest.raises(BadInput) as error:
            Transformers(folder).encode_texts(["a dog"])
        assert str(folder) in str(error.value) and "\n" not in str(error.value)


def test_the_digest_is_of_what_is_computed_with(tmp_path):
    model(tmp_path / "a", "clip")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b" / "README.md").write_text("words")
    assert Transformers(tmp_path / "a").digest == Transformers(tmp_path / "b").digest
    with open(tmp_path / "b" / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    assert Transformers(tmp_path / "a").digest != Transformers(tmp_path / "b").digest


# -------------------------------------------------------------------------------------------------------------- fetched


class Hub:
    """Stands in for huggingface.co: one repository, and a list of what was brought from it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, sha: str = COMMIT) -> None:
        import huggingface_hub

        self.folder, self.sha, self.brought, self.broken = folder, sha, [], ""
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: self)
        monkeypatch.setattr(huggingface_hub, "hf_hub_download", self.download)

    def model_info(self, repo, revision, files_metadata):
        assert files_metadata
        sizes = [(path.relative_to(self.folder).as_posix(), path.stat().st_size) for path in self.folder.rglob("*.*")]
        listed = [types.SimpleNamespace(rfilename=name, size=size) for name, size in sizes]
        return types.SimpleNamespace(sha=self.sha, siblings=listed, card_data=None)

    def download(self, repo, name, revision, local_dir):
        assert revision == self.sha, "never a branch: what it means may change while files come"
        if name == self.broken:
            raise OSError("the line was cut\nand more")
        if not (Path(local_dir) / name).exists():  # as the real one, it takes up what is there
            self.brought.append(name)
            (Path(local_dir) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folder / name, Path(local_dir) / name)


@pytest.fixture
def online(tmp_path, monkeypatch):
    model(tmp_path / "theirs", "clip")
    for name in ("pytorch_model.bin", "open_clip_model.safetensors", "evil.py", "README.md"):
        (tmp_path / "theirs" / name).write_text("no")
    (tmp_path / "theirs" / "onnx").mkdir()
    (tmp_path / "theirs" / "onnx" / "model.safetensors").write_text("no")
    return Hub(tmp_path / "theirs", monkeypatch)


def test_what_was_fetched_once_is_there_by_its_commit(online, monkeypatch):
    told = []
    folder = hub.fetch("them/clip", "", lambda *said: told.append(said))
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(online.brought)
    assert not {"pytorch_model.bin", "open_clip_model.safetensors", "evil.py", "README.md"} & set(online.brought)
    assert told[-1][0] == "hub:them/clip" and told[-1][1] == told[-1][2] > 0
    assert Transformers(folder).name == "them/clip" and Transformers(folder).revision == COMMIT
    assert len(Transformers(folder).encode_texts(TEXTS)) == 4
    brought = len(online.brought)
    assert hub.fetch("them/clip") == folder and len(online.brought) == brought, "nothing comes twice"
    monkeypatch.setattr("huggingface_hub.HfApi", lambda: pytest.fail("the network was asked"))
    for revision in ("", COMMIT, COMMIT[:7]):
        assert hub.here("them/clip", revision) == folder
    assert hub.here("them/clip", "v2") is None and hub.here("them/clip", "012") is None
    assert hub.here("them/other") is None


def test_an_interrupted_fetch_is_not_there_and_is_taken_up(online):
    online.broken = "tokenizer.json"
    with pytest.raises(BadInput, match=r"hub:them/clip: not fetched \(the line was cut\); what came is kept") as error:
        hub.fetch("them/clip", "v1")
    assert "\n" not in str(error.value) and hub.here("them/clip") is None and hub.fetched() == {}
    before, online.broken = len(online.brought), ""
    assert hub.fetch("them/clip", "v1") == hub.here("them/clip", "v1")
    assert "model.safetensors" not in online.brought[before:] and "tokenizer.json" in online.brought[before:]


def test_a_later_commit_stands_beside_the_first(online):
    first = hub.fetch("them/clip")
    online.sha = "f" * 40
    second = hub.fetch("them/clip")
    assert first != second and hub.here("them/clip", COMMIT) == first and hub.here("them/clip", "f" * 40) == second


def test_without_a_revision_the_latest_that_was_fetched_is_meant(online):
    first = hub.fetch("them/clip")
    online.sha = "f" * 40
    second = hub.fetch("them/clip")
    shutil.copytree(second, second.with_name("e" * 40 + ".part"))  # which is not done
    for latest, other in ((first, second), (second, first)):
        os.utime(latest / hub.RECORD, (2e9, 2e9)), os.utime(other / hub.RECORD, (1e9, 1e9))
        assert hub.here("them/clip") == latest and list(hub.fetched()) == [latest, other]


@pytest.mark.parametrize("sha", [None, "", "main", COMMIT[:-1], COMMIT + "0", COMMIT.upper(), "../" + COMMIT[3:]])
def test_a_hub_that_names_no_commit_gives_nothing(online, sha):
    online.sha = sha
    with pytest.raises(BadInput, match="hub:them/clip: the hub names no commit; nothing was fetched"):
        hub.fetch("them/clip")
    assert online.brought == [] and hub.fetched() == {}


@pytest.mark.parametrize("bars", [True, False])
def test_bars_of_the_hub_are_off_while_progress_is_told_and_then_as_before(online, monkeypatch, bars):
    from huggingface_hub import utils

    seen, brought = [], online.download
    download = lambda *told, **named: seen.append(utils.are_progress_bars_disabled()) or brought(*told, **named)  # noqa: E731
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    (utils.enable_progress_bars if bars else utils.disable_progress_bars)()
    try:
        hub.fetch("them/clip", "", lambda *_: None)
        assert set(seen) == {True} and utils.are_progress_bars_disabled() == (not bars)
        seen.clear()
        online.sha = "f" * 40
        hub.fetch("them/clip")
        assert set(seen) == {not bars}
    finally:
        utils.enable_progress_bars()


def test_while_files_come_it_is_told_how_much_is_here(online, monkeypatch):
    told, heard, brought = [], threading.Event(), online.download

    def slowly(repo, name, revision, local_dir):
        brought(repo, name, revision, local_dir)
        if name == "model.safetensors":
            heard.clear()
            assert heard.wait(60), "something is told"

    monkeypatch.setattr("huggingface_hub.hf_hub_download", slowly)
    hub.fetch("them/clip", "", lambda *said: told.append(said) or heard.set())
    (record,) = hub.fetched().values()
    kilobytes = {name: size / 1000 for name, size in record["files"].items()}
    whole = sum(kilobytes.values())
    before = sum(size for name, size in kilobytes.items() if name <= "model.safetensors")
    assert {total for _, _, total in told} == {int(whole)} and told[-1][1] == int(whole)
    assert any(abs(here - before) < 2 for _, here, _ in told)


def test_a_repository_without_safetensors_is_refused_before_anything_comes(online):
    (online.folder / "model.safetensors").unlink()
    with pytest.raises(BadInput, match=r"has no model\.safetensors"):
        hub.fetch("them/clip")
    assert online.brought == []


def test_a_model_that_is_there_as_an_export_too_is_brought_as_that(online, tmp_path):
    from exported import transformers_js

    transformers_js(tmp_path / "export", "clip", ("quantized",))
    shutil.copytree(tmp_path / "export" / "onnx", online.folder / "onnx", dirs_exist_ok=True)
    folder = hub.fetch("them/clip")
    assert isinstance(shelf.open(folder), OnnxPair) and "model.safetensors" not in online.brought
    other = hub.fetch("them/clip:quantized", COMMIT)
    assert other != folder and OnnxPair(other).name == "them/clip:quantized"
    assert OnnxPair(other).digest != OnnxPair(folder).digest
    assert hub.here("them/clip") == folder and hub.here("them/clip:quantized") == other
    with pytest.raises(BadInput, match=r"hub:them/clip:q5 has no onnx/vision_model_q5\.onnx; "):
        hub.fetch("them/clip:q5")
    online.sha = "f" * 40
    (online.folder / "onnx" / "vision_model.onnx").unlink()
    assert isinstance(shelf.open(hub.fetch("them/clip")), Transformers), "what is not whole is not taken unasked"


def test_a_file_that_came_otherwise_than_the_hub_keeps_it_is_thrown_away(online, monkeypatch):
    known = online.model_info

    def summed(*arguments, **named):
        facts = known(*arguments, **named)
        for one in facts.siblings:
            if one.rfilename == "model.safetensors":
                one.lfs = types.SimpleNamespace(sha256="0" * 64)
        return facts

    monkeypatch.setattr(online, "model_info", summed)
    with pytest.raises(BadInput, match=r"hub:them/clip: model\.safetensors came damaged; fetch it again"):
        hub.fetch("them/clip")
    assert hub.fetched() == {} and not list(hub.home().rglob("*.safetensors"))


@pytest.mark.parametrize(("name", "most"), [("tokenizer.json", "MOST_WORDS"), ("model.safetensors", "MOST_WEIGHTS")])
def test_a_file_without_bounds_is_refused_before_anything_comes(online, monkeypatch, name, most):
    monkeypatch.setattr(hub, most, (online.folder / name).stat().st_size - 1)
    with pytest.raises(BadInput, match=f"hub:them/clip has {name} of .* bytes, which is more than is read"):
        hub.fetch("them/clip")
    assert online.brought == []


def test_who_is_offline_is_told(monkeypatch):
    import huggingface_hub

    def nobody():
        raise OSError("[Errno -2] Name or service not known")

    monkeypatch.setattr(huggingface_hub, "HfApi", nobody)
    with pytest.raises(BadInput, match="when you are online"):
        hub.fetch("them/clip")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(BadInput, match="pip install huggingface_hub"):
        hub.fetch("them/clip")


def test_why_a_model_is_not_given_is_told_with_what_to_do(online, monkeypatch):
    from huggingface_hub import errors

    answer = types.SimpleNamespace(status_code=403, headers={}, request=None)
    for kind, told in (
        (errors.GatedRepoError, "asks for consent before it is given"),
        (errors.RevisionNotFoundError, "has no such revision"),
        (errors.RepositoryNotFoundError, "no such model there, or it is private"),
    ):
        error = kind.__new__(kind)
        error.args, error.response = ("no",), answer

        def refused(*_, error=error, **__):
            raise error

        monkeypatch.setattr(online, "model_info", refused)
        with pytest.raises(BadInput, match=f"hub:them/clip: {told}"):
            hub.fetch("them/clip")


def test_files_whose_size_nobody_tells_come_without_a_sum(online, monkeypatch):
    known = online.model_info

    def sizeless(*arguments, **named):
        facts = known(*arguments, **named)
        return types.SimpleNamespace(
            sha=facts.sha,
            siblings=[types.SimpleNamespace(rfilename=one.rfilename, size=None) for one in facts.siblings],
        )

    monkeypatch.setattr(online, "model_info", sizeless)
    hub.fetch("them/clip")
    (record,) = hub.fetched().values()
    assert record["files"]["model.safetensors"] == 0


def test_a_model_with_one_tower_is_refused(tmp_path):
    model(tmp_path / "one", "clip")
    encoder = Transformers(tmp_path / "one")
    for lacks in ("get_image_features", "get_text_features"):
        with pytest.MonkeyPatch.context() as patch:
            other = types.SimpleNamespace(
                **{name: None for name in ("get_image_features", "get_text_features") if name != lacks}
            )
            patch.setattr(transformers.AutoModel, "from_pretrained", lambda *_, other=other, **__: other)
            with pytest.raises(BadInput, match="no tower for pictures and one for texts"):
                encoder.encode_texts(["a dog"])


def test_rows_of_another_width_than_the_config_says_are_refused(tmp_path):
    model(tmp_path / "m", "clip")
    encoder = Transformers(tmp_path / "m")
    with pytest.raises(BadInput, match=r"gives rows of shape \(25,\); its config says 24"):
        encoder._rows(torch.zeros(2, 25))


ELSEWHERE = ["clip", "a/b/c", "../up", "a/..", "a/b@", "a/b@../c", "", "a/b:../c", "a/b:", "a/b:x+", "a/b@v1:q4"]


@pytest.mark.parametrize("name", [f"hub:{name}" for name in ELSEWHERE])
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(BadInput, match="hub:owner/name"):
        hub.split(name)


def test_names_of_the_hub():
    assert hub.split("hub:openai/clip-vit-base-patch32") == ("openai/clip-vit-base-patch32", "")
    assert hub.split("hub:a.b/c_d@refs/pr/6") == ("a.b/c_d", "refs/pr/6")
    assert hub.split("hub:a/b:q4f16@v1") == ("a/b:q4f16", "v1")
    assert hub.split("hub:a/b:fp32+quantized") == ("a/b:fp32+quantized", "")


def test_half_sized_decoding_moves_a_row_little(tmp_path):
    rng = np.random.default_rng(3)
    coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    coarse.resize((640, 480), Image.Resampling.BICUBIC).save(tmp_path / "large.jpg", quality=90)
    model(tmp_path / "model", "clip")
    encoder = Transformers(tmp_path / "model")
    whole = encoder.encode_pixels(encoder.preprocessing.square(files.load(tmp_path / "large.jpg"))[None])
    assert (whole * encoder.encode_images([tmp_path / "large.jpg"])).sum() > 0.999
