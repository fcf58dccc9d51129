"""The recipe of the bundled encoder, at a size of toys: packed, trained, stopped, gone on with and exported."""

import contextlib
import io
import json
import os
import shutil
import sys
from dataclasses import replace
from math import inf
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from diptych.kinds import BadInput

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

RECIPE = Path(__file__).parents[2] / "recipes" / "mini"
COLOURS = {"red": (200, 30, 30), "green": (30, 190, 40), "blue": (40, 40, 210)}


@pytest.fixture(scope="module")
def recipe():
    """The modules of the recipe, which import each other as scripts in one folder do."""
    names = ("export", "pack", "sharpen", "student", "teachers", "train", "words")
    sys.path.insert(0, str(RECIPE))
    try:
        yield SimpleNamespace(**{name: __import__(name) for name in names})
    finally:
        sys.path.remove(str(RECIPE))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def given(recipe, tmp_path_factory):
    """What a pack is written from: 24 pictures of three colours, two small teachers, a few words."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("pictures")
    pictures, texts = [], []
    for at in range(24):
        name, colour = list(COLOURS.items())[at % 3]
        pixels = np.clip(
            np.array(colour) + rng.integers(-25, 25, (1, 1, 3)) + rng.integers(-90, 90, (60, 80, 3)), 0, 255
        )
        pictures.append(folder / f"{at}.png")
        Image.fromarray(pixels.astype(np.uint8)).save(pictures[-1])
        texts += [f"a {name} field", f"all is {name}"] if at < 18 else []
    words = np.array(["red", "green", "blue", "field", "a", "all", "is", "photo", "of"])
    files = {
        "large.onnx": network(rng, ["silu"] * 5),
        "small.onnx": network(rng, ["clip", "add", "clip", "clip", "clip", "clip"]),
        recipe.teachers.HOW: recipe.teachers.described(
            {
                "large.onnx": recipe.teachers.Layers("m5", (120,) * 3, (60,) * 3, middle="m4", logits="logits"),
                "small.onnx": recipe.teachers.Layers("m6", (128,) * 3, (128,) * 3),
            }
        ),
        recipe.teachers.LABELS: b"background\nred, of a kind\ngreen\nblue\n",
        "glove6B_50d_union.npz": npz(words=words, vectors=rng.standard_normal((len(words), 50))),
        "clip_vitb32_text_lvis.npz": npz(names=words[:4], features=rng.standard_normal((4, 12))),
    }
    return SimpleNamespace(pictures=pictures, texts=texts, owner=np.repeat(np.arange(18), 2), files=files)


@pytest.fixture
def data():
    if "DIPTYCH_DATA" not in os.environ:
        pytest.skip("DIPTYCH_DATA is not set")
    return Path(os.environ["DIPTYCH_DATA"])


def npz(**arrays):
    found = io.BytesIO()
    np.savez(found, **arrays)
    return found.getvalue()


def network(rng, layers):
    """An ONNX file of convolutions that each halve the picture, "m1" and so on, with a gate, and logits of the last."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, before, name = [], [], 3, "input"

    def constant(called, values):
        weights.append(numpy_helper.from_array(np.asarray(values, dtype=np.float32), called))
        return called

    for at, kind in enumerate(layers, 1):
        out, raw = f"m{at}", f"m{at}.raw"
        if kind == "add":
            nodes.append(helper.make_node("Add", [name, name], [out]))
            name = out
            continue
        kernel = rng.standard_normal((12, before, 3, 3)) * np.sqrt(1.5 / (9 * before))
        bias = constant(out + ".b", 0.3 * rng.standard_normal(12))
        facts = {"auto_pad": "SAME_UPPER", "group": 1, "kernel_shape": [3, 3], "strides": [2, 2]}
        nodes.append(helper.make_node("Conv", [name, constant(out + ".w", kernel), bias], [raw], **facts))
        if kind == "silu":
            nodes.append(helper.make_node("Sigmoid", [raw], [out + ".gate"]))
            nodes.append(helper.make_node("Mul", [raw, out + ".gate"], [out]))
        else:
            nodes.append(helper.make_node("Clip", [raw, constant(out + ".low", 0), constant(out + ".high", 6)], [out]))
        before, name = 12, out
    nodes += [
        helper.make_node("GlobalAveragePool", [name], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node(
            "Gemm", ["flat", constant("g.w", rng.standard_normal((12, 3))), constant("g.b", [0] * 3)], ["logits"]
        ),
    ]
    ends = [("input", ["n", 3, "h", "w"]), (name, ["n", 12, "y", "x"]), ("logits", ["n", 3])]
    entry, *out = (helper.make_tensor_value_info(end, TensorProto.FLOAT, shape) for end, shape in ends)
    graph = helper.make_graph(nodes, "small", [entry], out, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def pack(recipe, given, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    recipe.pack.write(folder, given.pictures, given.texts, given.owner, given.files, largest=24_000)
    return recipe.pack.Pack(folder)


# ---------------------------------------------------------------------------------------------------------- the pack


def test_a_pack_holds_what_it_was_made_of_in_files_of_a_bounded_size(given, pack, tmp_path):
    shards = sorted(pack.folder.glob("*.zip"))
    assert len(shards) > 2 and all(shard.stat().st_size <= 24_000 for shard in shards)
    assert {name: pack[name] for name in given.files} == given.files
    texts, owner = pack.told
    assert texts == given.texts and (owner == given.owner).all()
    pixels = pack.pixels(tmp_path / "pixels.npy")
    assert pixels.shape == (24, 144, 144, 3)
    for row, path in zip(pixels, given.pictures, strict=True):
        mean = np.asarray(Image.open(path)).mean(axis=(0, 1))
        np.testing.assert_allclose(row.mean(axis=(0, 1)), mean, atol=4)


def test_packing_goes_on_with_the_first_file_that_is_missing(recipe, given, pack, tmp_path, monkeypatch):
    whole = [shard.read_bytes() for shard in sorted(pack.folder.glob("*.zip"))]
    looked = []

    class Stopped(Exception):
        pass

    def webp(path, real=recipe.pack._webp):
        looked.append(path)
        if len(looked) == 20:
            raise Stopped
        return real(path)

    monkeypatch.setattr(recipe.pack, "_webp", webp)
    arguments = (tmp_path, given.pictures, given.texts, given.owner, given.files, 24_000)
    with pytest.raises(Stopped):
        recipe.pack.write(*arguments)
    done = len(list(tmp_path.glob("*.zip")))
    assert 0 < done < len(whole)
    with pytest.raises(BadInput, match=r"pack\.json"):
        recipe.pack.Pack(tmp_path)["texts.json"]
    recipe.pack.write(*arguments)
    assert [shard.read_bytes() for shard in sorted(tmp_path.glob("*.zip"))] == whole
    assert looked[20] != given.pictures[0]  # what was whole is not made again
    (tmp_path / "pack-1.zip").unlink()
    with pytest.raises(BadInput, match=r"pack-1\.zip"):
        recipe.pack.Pack(tmp_path)["texts.json"]


# ------------------------------------------------------------------------------------------------------- the teachers


@pytest.mark.parametrize("size", [(64, 96), (53, 70)])
def test_a_teacher_in_torch_says_what_its_file_says(recipe, given, size):
    import onnxruntime

    pixels = np.random.default_rng(1).standard_normal((2, 3, *size)).astype(np.float32)
    for name, layer in (("large.onnx", "m5"), ("small.onnx", "m6")):
        session = onnxruntime.InferenceSession(given.files[name], providers=["CPUExecutionProvider"])
        expected = session.run([layer, "logits"], {"input": pixels})
        found = recipe.teachers.Graph(given.files[name], [layer, "logits"])(torch.from_numpy(pixels))
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-4)


def test_an_operator_that_is_not_known_is_refused(recipe, given):
    model = onnx.load_from_string(given.files["small.onnx"])
    next(node for node in model.graph.node if node.op_type == "Add").op_type = "Sub"
    with pytest.raises(NotImplementedError, match="m2: Sub"):
        recipe.teachers.Graph(model.SerializeToString(), ["m6"])


@pytest.mark.data
def test_both_teachers_in_torch_see_what_the_features_of_the_same_name_see(recipe, data):
    from diptych.features.efficientnetv2 import EfficientNetV2
    from diptych.features.mobilenetv2 import MobileNetV2

    paths = sorted((data / "flickr8k" / "images").iterdir())[:6]
    given = data / "pretrained"
    files = {
        "efficientnetv2_b0.onnx": (given / "efficientnetv2_b0.onnx").read_bytes(),
        "mobilenetv2.onnx": recipe.teachers.of_tflite(given / "mobilenet_v2_1.0_224_quant.tflite"),
        recipe.teachers.HOW: recipe.teachers.described(),
    }
    teachers = recipe.teachers.Teachers(files)
    for feature, side, columns, least in (
        (EfficientNetV2(given=False), 256, slice(0, 1280), 0.99999),
        (MobileNetV2(given=False), 224, slice(1280, 2560), 0.995),  # the file rounds every layer to 8 bits
    ):
        squares = [Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BICUBIC) for path in paths]
        pixels = torch.from_numpy(np.stack([np.asarray(square) for square in squares])).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            found = teachers(pixels)[0][:, columns].mean(dim=(2, 3))
        expected = torch.from_numpy(feature.transform(paths))
        assert torch.cosine_similarity(found, expected).min() > least


# -------------------------------------------------------------------------------------------------------- the student


def test_what_the_teachers_saw_is_mirrored_with_what_the_student_is_shown(recipe, lesson):
    student = recipe.student
    torch.manual_seed(0)
    looked = student.Looked.at(student.views(lesson[2][:16], 128, 0.3), lesson[0])
    assert looked.views.shape == (16, 3, 64, 64) and looked.views.dtype == torch.uint8
    assert looked.maps.shape == (16, 24, 2, 2) and looked.middle.shape[2:] == (4, 4)
    turned = looked.mirrored()
    for before, after in ((looked.views, turned.views), (looked.maps, turned.maps), (looked.middle, turned.middle)):
        same, mirrored = ((rows == after).flatten(1).all(dim=1) for rows in (before, before.flip(3)))
        assert (same | mirrored).all() and same.any() and mirrored.any()
    assert torch.equal(  # all three of a row, or none
        (looked.views == turned.views).flatten(1).all(dim=1), (looked.maps == turned.maps).flatten(1).all(dim=1)
    )


def test_some_views_have_another_laid_over_them(recipe):
    pictures = (torch.arange(8) * 30)[:, None, None, None].expand(8, 36, 36, 3).byte()
    torch.manual_seed(0)
    plain = recipe.student.views(pictures, 32, 1).mean(dim=(1, 2, 3))
    for mixed, at_least, at_most in ((0.0, 0, 0), (0.5, 2, 6), (1.0, 8, 8)):
        torch.manual_seed(0)
        found = recipe.student.views(pictures, 32, 1, mixed).mean(dim=(1, 2, 3))
        other = (found - plain).abs() > 1e-3
        assert at_least <= other.sum() <= at_most
        low, high = torch.minimum(plain, plain.roll(1)), torch.maximum(plain, plain.roll(1))
        assert ((low - 1e-3 <= found) & (found <= high + 1e-3)).all()


def test_each_look_is_learned_from_as_often_as_the_course_says(recipe, lesson, tmp_path):
    """Every picture in a round as often as in any other, and every look of a round `again` times."""
    course = small(recipe, looks=24, again=3)
    training = recipe.student.Training(course, *lesson, tmp_path / "work", tmp_path / "keep" / "student.safetensors")
    looked = []

    def views(pictures, *_, real=recipe.student.views):
        looked.extend(pictures.flatten(1).float().mean(dim=1).tolist())
        return real(pictures, 128, 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe.student, "views", views)
        batches = training._batches()
        for training.steps in range(18):
            assert len(next(batches).views) == 8
    assert len(looked) == 48  # two rounds, of three turns of three steps
    assert sorted(looked[:24]) == sorted(looked[24:]) and looked[:24] != looked[24:]


def test_whole_views_show_the_whole_picture(recipe):
    pictures = torch.zeros(8, 36, 36, 3, dtype=torch.uint8)
    pictures[:, :, :4] = pictures[:, :, -4:] = 200  # two bars, which a part cuts off at one side or both
    torch.manual_seed(0)

    def bars(whole):
        seen = recipe.student.views(pictures, 72, whole).mean(dim=(1, 2))
        return (
            (seen[:, :4].mean(dim=1) > seen.mean(dim=1) + 20) & (seen[:, -4:].mean(dim=1) > seen.mean(dim=1) + 20)
        ).sum()

    assert bars(1.0) == 8 and bars(0.0) < 6


def small(recipe, **other):
    shape = recipe.student.Shape((8, 8, 8, 8, 12), (1, 1, 1, 1), 2)
    facts = {"shape": shape, "passes": 4, "batch": 8, "looks": 24, "again": 2, "side": 64, "average": 0.5}
    return recipe.student.Course(**{**facts, **other})


@pytest.fixture(scope="module")
def lesson(recipe, pack, tmp_path_factory):
    """Pixels, teachers and lesson, as the recipe makes them."""
    torch.manual_seed(0)
    pixels = torch.from_numpy(pack.pixels(tmp_path_factory.mktemp("pixels") / "pixels.npy"))
    teachers = recipe.teachers.Teachers(pack)
    maps, _, _ = recipe.teachers.look(teachers, recipe.student.enlarged(pixels, 128))
    mean = recipe.student.power(maps.mean(dim=(2, 3))).mean(dim=0).view(2, 12)
    head = recipe.words.Look(mean, 8, 16, 0.5).eval().requires_grad_(False)
    texts = torch.nn.functional.normalize(torch.randn(30, 16), dim=1)
    return teachers, recipe.student.Lesson(mean, head, texts), pixels


class Killed(Exception):
    pass


def trained(recipe, lesson, folder, course, after=None, seconds=None):
    """A training in a folder, which may be killed after so many lines of its log; it saves and says every step."""
    lines = []

    def log(line):
        lines.append(line)
        if len(lines) == after:
            raise Killed

    training = recipe.student.Training(course, *lesson, folder / "work", folder / "keep" / "student.safetensors")
    training.every = 0
    with contextlib.suppress(Killed):
        training.run(seconds, log)
    return training, lines


def weights(net):
    return torch.cat([tensor.flatten().float() for tensor in net.state_dict().values()])


@pytest.mark.parametrize("again", [1, 4])
def test_a_training_that_was_killed_ends_as_if_it_had_not_been(recipe, lesson, tmp_path, again):
    course = small(recipe, again=again)
    straight, lines = trained(recipe, lesson, tmp_path / "straight", course)
    assert straight.done == pytest.approx(1) and straight.seen == 96 and len(lines) == 12
    killed, _ = trained(recipe, lesson, tmp_path / "killed", course, after=5)
    assert killed.done < 0.5
    resumed, rest = trained(recipe, lesson, tmp_path / "killed", course)
    assert len(rest) == 12 - 4  # the fifth step was not saved
    torch.testing.assert_close(weights(resumed.average), weights(straight.average), atol=0, rtol=0)


def test_the_student_comes_nearer_to_its_teachers(recipe, lesson, tmp_path):
    _, lines = trained(recipe, lesson, tmp_path, small(recipe, passes=12))
    far = [float(line.partition("whole ")[2].partition(",")[0]) for line in lines]
    assert np.mean(far[-5:]) < 0.7 * np.mean(far[:5])


def test_maps_are_learned_before_what_the_head_makes_of_them(recipe, lesson, tmp_path):
    """Other captions change nothing as long as the terms of the head have not come in."""
    other = (lesson[0], replace(lesson[1], texts=-lesson[1].texts), lesson[2])

    def end(of, name, sharpen):
        training, _ = trained(recipe, of, tmp_path / f"{name}{sharpen}", small(recipe, passes=1, sharpen=sharpen))
        return weights(training.average)

    assert torch.allclose(end(lesson, "these", inf), end(other, "others", inf), atol=1e-6)
    assert not torch.allclose(end(lesson, "these", 0.5), end(other, "others", 0.5), atol=1e-6)


def test_where_only_the_kept_weights_are_left_it_goes_on_from_these(recipe, lesson, tmp_path):
    course = small(recipe)
    killed, _ = trained(recipe, lesson, tmp_path, course, after=7)
    shutil.rmtree(tmp_path / "work")
    again = recipe.student.Training(course, *lesson, tmp_path / "work", tmp_path / "keep" / "student.safetensors")
    assert (again.steps, again.seen) == (6, 48) and again.done == pytest.approx(0.5)
    assert torch.cosine_similarity(weights(again.net), weights(killed.average), dim=0) > 0.9


def test_by_time_it_ends_at_a_rate_of_0_wherever_it_was(recipe, lesson, tmp_path):
    file = tmp_path / "keep" / "student.safetensors"
    course = small(recipe, passes=1000)
    trained(recipe, lesson, tmp_path, course, after=3, seconds=1000)
    assert not recipe.student.finished(file)
    ended, _ = trained(recipe, lesson, tmp_path, course, seconds=0.2)
    assert recipe.student.finished(file) and ended.steps >= 3
    assert ended.course.rate_at(ended.done) < 1e-12 < ended.course.rate_at(0.5)


def test_a_loss_that_is_not_finite_is_said_and_not_kept(recipe, lesson, tmp_path):
    with pytest.raises(BadInput, match="lower the rate"):
        trained(
            recipe, (lesson[0], replace(lesson[1], mean=lesson[1].mean * np.nan), lesson[2]), tmp_path, small(recipe)
        )
    assert not (tmp_path / "keep").exists()


# ---------------------------------------------------------------------------------------------------------- the whole


def test_one_command_from_the_pack_to_an_encoder(recipe, given, pack, tmp_path, monkeypatch):
    from diptych.encoders import shelf

    monkeypatch.setattr(recipe.train, "SURE", 0.34)
    speak = recipe.words.Speak(dims=16, hidden=8, epochs=2, batch=16)
    sharpen = recipe.sharpen.Sharpen(dims=16, hidden=8, epochs=1, batch=16)
    folders = (tmp_path / "work", tmp_path / "keep", tmp_path / "out")
    arguments = (pack, *folders, small(recipe, side=128, passes=2), speak, sharpen)
    least = recipe.train.train(*arguments)
    assert min(least.values()) > 0.999
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["dims"] == 16 and "2 passes" in card["trained_on"]
    encoder = shelf.open(tmp_path / "out")
    assert encoder.encode_texts(["a red field", "…"]).any(axis=1).tolist() == [True, False]
    assert encoder.encode_images(given.pictures[:3]).shape == (3, 16)

    # What was kept is enough to go on from: no teacher is asked again.
    made = (tmp_path / "out" / "image.onnx").read_bytes()
    seen = next((tmp_path / "work").glob("*/student.npy"))
    assert len(np.load(seen)) == 24  # of this student, whose digest the folder is called by
    monkeypatch.setattr(recipe.train, "Teachers", None)
    for folder in ("work", "out"):
        (tmp_path / folder).rename(tmp_path / f"lost {folder}")
    recipe.train.train(*arguments)
    assert (tmp_path / "out" / "image.onnx").read_bytes() == made


def test_what_is_kept_lies_halfway_between_before_and_after(recipe):
    before, after = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    with torch.no_grad():
        before.weight.fill_(1), after.weight.copy_(torch.tensor([1.0, 3.0, -1.0]))
        after.running_var.fill_(5), after.num_batches_tracked.fill_(8)
    kept = recipe.train.halfway(before, after)
    assert kept.weight.tolist() == [1, 2, 0] and kept.running_var.tolist() == [3] * 3 and kept.num_batches_tracked == 8


def test_matrices_are_bytes_and_the_rest_is_half(recipe):
    """What is stored and widened again is within half a step of what it was."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    kernels = {"matrix": rng.standard_normal((5, 90)), "few": rng.standard_normal((64, 1, 5, 5))}
    weights = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in kernels.items()]
    nodes = [helper.make_node("Identity", [name], [f"{name}.out"]) for name in kernels]
    out = [
        helper.make_tensor_value_info(f"{name}.out", TensorProto.FLOAT, kernel.shape)
        for name, kernel in kernels.items()
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "g", [], out, weights), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 9
    shrunk = recipe.export.shrunk(model)
    kinds = {tensor.name: tensor.data_type for tensor in shrunk.graph.initializer}
    assert kinds["matrix.bytes"] == TensorProto.INT8 and kinds["few.half"] == TensorProto.FLOAT16
    matrix, few = onnxruntime.InferenceSession(shrunk.SerializeToString()).run(None, {})
    step = np.abs(kernels["matrix"]).max(axis=1, keepdims=True) / 127
    assert (np.abs(matrix - kernels["matrix"]) <= 0.501 * step).all()
    np.testing.assert_allclose(few, kernels["few"], rtol=1e-3)


def test_a_word_that_no_text_had_is_read_by_its_pieces_or_means_nothing(recipe):
    words = recipe.words
    made = words.tokenizer(["dog", "snow", "boarding", "red", "runs"], ["a dog", "a red dog"])
    meanings = np.random.default_rng(0).standard_normal((made.get_vocab_size(), 50)).astype(np.float32)
    meanings[:2] = 0
    lexicon = words.Lexicon(made, meanings, ["dog", "snow"], np.eye(2, dtype=np.float32))
    read = [lexicon.tokenizer.encode(text).tokens for text in ("Dogs", "snow-boarding", "ζ")]
    assert read == [["dog", "##s"], ["snow", "boarding"], ["[UNK]"]]
    bag = words.Phrases(torch.from_numpy(lexicon.meanings), 16, 0.3, 8).eval()
    assert not bag(torch.from_numpy(lexicon.read(["ζ"]))).any()
