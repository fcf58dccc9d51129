import sys

import numpy as np
import pytest
from PIL import Image

from diptych.features.composition import read
from diptych.features.mobilenetv2 import MobileNetV2
from diptych.features.network import Network, _kept, _pooled
from diptych.kinds import BadInput
from diptych.sources import pictures as files


def message(*fields: tuple[int, int | str | bytes]) -> bytes:
    """A protocol buffer: (number, value) of each field, where a value is a small number, a string or a message."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += bytes([number << 3, value])
        else:
            value = value.encode() if isinstance(value, str) else value
            assert len(value) < 2**14
            size = [len(value)] if len(value) < 128 else [len(value) & 127 | 128, len(value) >> 7]
            out += bytes([number << 3 | 2, *size]) + value
    return out


def onnx(side: int = 0, channels_last: bool = False, batch: int = 0) -> bytes:
    """input -> Relu -> a/hidden:0 -> Flatten -> features -> Neg -> negative; sides that are 0 are free."""

    def dim(value: int) -> tuple[int, bytes]:
        return (1, message((1, value)) if value else message((2, "free")))

    def tensor(name: str, *shape: tuple[int, bytes]) -> bytes:
        return message((1, name), (2, message((1, message((1, 1), (2, message(*shape)))))))

    def node(kind: str, come: str, go: str) -> tuple[int, bytes]:
        return (1, message((1, come), (2, go), (4, kind)))

    shape = [dim(batch), dim(side), dim(side), dim(3)] if channels_last else [dim(batch), dim(3), dim(side), dim(side)]
    graph = message(
        node("Relu", "input", "a/hidden:0"),
        node("Flatten", "a/hidden:0", "features"),
        node("Neg", "features", "negative"),
        (2, "tiny"),
        (11, tensor("input", *shape)),
        (12, tensor("features", dim(batch), dim(0))),
        (12, tensor("negative", dim(batch), dim(0))),
    )
    return message((1, 8), (7, graph), (8, message((2, 17))))


def squashed(paths, size):
    """(n, size, size, 3) pixels in [0, 1]"""
    return (
        np.stack([np.asarray(files.load(path).resize((size, size), Image.Resampling.BICUBIC)) for path in paths]) / 255
    )


@pytest.fixture
def net(tmp_path):
    (tmp_path / "net.onnx").write_bytes(onnx())
    return str(tmp_path / "net.onnx")


def test_the_first_output_of_an_onnx_file(net, pictures):
    rows = Network(net, size=8, mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0)).transform(pictures)
    values = (squashed(pictures, 8) - [0.1, 0.2, 0.3]) / [0.5, 1.0, 2.0]
    expected = np.maximum(values, 0).transpose(0, 3, 1, 2).reshape(6, -1)
    assert rows.shape == (6, 192) and rows.dtype == np.float32
    assert np.allclose(rows, expected, atol=2e-3)


def test_another_output_and_an_inner_tensor_averaged_over_the_map(net, pictures):
    values = np.maximum((squashed(pictures, 8) - 0.5) / 0.25, 0)
    options = {"size": 8, "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
    inner = Network(net, layer="a/hidden:0", **options).transform(pictures)
    assert np.allclose(inner, values.mean(axis=(1, 2)), atol=2e-3)
    negative = Network(net, layer="negative", **options).transform(pictures)
    assert np.allclose(negative, -values.transpose(0, 3, 1, 2).reshape(6, -1), atol=4e-3)


def test_a_tensor_that_is_not_there_is_told(net, pictures):
    with pytest.raises(BadInput, match="no tensor 'fc7' in it; its outputs are features, negative"):
        Network(net, layer="fc7").transform(pictures)


def test_no_pictures_give_no_rows_as_wide_as_others(net, pictures):
    for options in ({"layer": "a/hidden:0"}, {"size": 8}):
        wide = Network(net, **options).transform(pictures[:1]).shape[1]
        assert Network(net, **options).transform([]).shape == (0, wide)
    assert read(f"mobilenetv2@file={net}@size=8@layer=features").transform([]).shape == (0, 192)
    for name in ("mobilenetv2", "efficientnetv2"):
        assert read(name).transform([]).shape == (0, 1280)  # told without the file


def test_channels_last_fixed_size_and_fixed_batch_are_read_from_the_file(tmp_path, pictures):
    (tmp_path / "last.onnx").write_bytes(onnx(side=6, channels_last=True, batch=1))
    rows = Network(str(tmp_path / "last.onnx"), layer="a/hidden:0", mean=(0.0,) * 3, std=(1.0,) * 3).transform(pictures)
    assert np.allclose(rows, squashed(pictures, 6).mean(axis=(1, 2)), atol=1e-3)


def test_bgr_and_the_middle_square(net, pictures):
    options = {"layer": "a/hidden:0", "mean": (0.0,) * 3, "std": (1.0,) * 3, "size": 10}
    rgb, bgr = (Network(net, channels=order, **options).transform(pictures) for order in ("rgb", "bgr"))
    assert np.array_equal(rgb, bgr[:, ::-1]) and not np.array_equal(rgb, bgr)
    middle = files.load(pictures[0]).crop((10, 0, 50, 40)).resize((10, 10), Image.Resampling.BICUBIC)
    row = Network(net, resize="crop", **options).transform(pictures[:1])
    assert np.allclose(row, np.asarray(middle).mean(axis=(0, 1)) / 255, atol=1e-3)


def test_the_second_time_the_network_is_not_even_loaded(net, pictures, monkeypatch):
    first = Network(net, size=8).transform(pictures)
    monkeypatch.setattr(Network, "_onnx", lambda self, file: pytest.fail("the network was loaded"))
    assert np.array_equal(Network(net, size=8).transform(pictures), first)


def test_another_setting_or_another_file_is_computed_anew(net, pictures):
    first = Network(net, size=8).transform(pictures)
    assert not np.array_equal(Network(net, size=8, channels="bgr").transform(pictures), first)
    with open(net, "ab") as file:
        file.write(message((7, message((12, message((1, "a/hidden:0")))))))
    seen = []
    Network(net, size=8).transform(pictures, lambda *said: seen.append(said))
    assert seen == [("network: pictures", 6, 6)]


def test_files_that_are_missing_or_broken_are_told_of(tmp_path, pictures, monkeypatch):
    monkeypatch.delenv("DIPTYCH_DATA", raising=False)
    with pytest.raises(BadInput, match="set DIPTYCH_DATA to the folder that holds pretrained/"):
        read("mobilenetv2").transform(pictures)
    monkeypatch.setenv("DIPTYCH_DATA", str(tmp_path))
    with pytest.raises(BadInput, match=r"no efficientnetv2_b0\.onnx; put it in .*pretrained"):
        read("efficientnetv2").transform(pictures)
    with pytest.raises(BadInput, match="name an ONNX or TFLite file"):
        read("network").transform(pictures)
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(BadInput, match=r"bad\.onnx: onnxruntime does not read it"):
        Network(str(tmp_path / "bad.onnx")).transform(pictures)
    (tmp_path / "bad.tflite").write_bytes(b"nothing")
    with pytest.raises(BadInput, match=r"bad\.tflite"):
        Network(str(tmp_path / "bad.tflite")).transform(pictures)


def test_libraries_that_are_missing_are_told_of(tmp_path, pictures, monkeypatch):
    (tmp_path / "a.tflite").touch()
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BadInput, match=r"pip install 'diptych\[tflite\]'"):
        Network(str(tmp_path / "a.tflite")).transform(pictures)
    with pytest.raises(BadInput, match=r"pip install 'diptych\[torch\]'"):
        Network("facebook/dinov2-small").transform(pictures)


def test_pooling():
    values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert np.allclose(_pooled(values, channels=1), values.mean(axis=(2, 3)))
    assert np.allclose(_pooled(values, channels=-1), values.mean(axis=(1, 2)))
    assert np.allclose(_pooled(values[0], channels=1), values[0].mean(axis=1))


@pytest.mark.parametrize(("height", "width", "grid"), [(8, 8, 3), (5, 7, 2), (4, 6, 4), (3, 3, 1)])
def test_a_grid_is_adaptive_average_pooling(height, width, grid):
    torch = pytest.importorskip("torch")
    maps = np.random.default_rng(0).standard_normal((2, 6, height, width)).astype(np.float32)
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(maps), grid).flatten(2).mT
    assert np.allclose(_pooled(maps, channels=1, grid=grid), expected, atol=1e-6)
    assert np.allclose(_pooled(maps.transpose(0, 2, 3, 1), channels=-1, grid=grid), expected, atol=1e-6)


def test_the_cells_of_a_picture(net, pictures):
    options = {"layer": "a/hidden:0", "size": 8, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    rows = Network(net, grid=2, **options).transform(pictures)
    pixels = squashed(pictures, 8)
    corners = [pixels[:, top : top + 4, left : left + 4].mean(axis=(1, 2)) for top in (0, 4) for left in (0, 4)]
    assert rows.shape == (6, 4, 3) and rows.dtype == np.float32
    assert np.allclose(rows, np.stack(corners, axis=1), atol=1e-3)
    assert np.allclose(rows.mean(axis=1), Network(net, **options).transform(pictures), atol=2e-3)
    assert Network(net, grid=2, **options).transform([]).shape == (0, 4, 3)
    for name in ("mobilenetv2", "efficientnetv2"):
        assert read(f"{name}@grid=3:raw").transform([]).shape == (0, 9, 1280)  # told without the file


def test_cells_are_cached_apart_from_averages(net, pictures, monkeypatch):
    options = {"layer": "a/hidden:0", "size": 8}
    grids = {grid: Network(net, grid=grid, **options).transform(pictures) for grid in (0, 1, 2)}
    monkeypatch.setattr(Network, "_onnx", lambda self, file: pytest.fail("the network was loaded"))
    for grid, rows in grids.items():
        assert np.array_equal(Network(net, grid=grid, **options).transform(pictures), rows)


def test_a_grid_without_a_map_or_finer_than_it_is_told(net, pictures):
    with pytest.raises(BadInput, match=r"grid=2 needs a layer that is a map, and this one is \(192,\)"):
        Network(net, size=8, grid=2).transform(pictures)
    with pytest.raises(BadInput, match="grid=9 is finer than the map, which is 8 x 8"):
        Network(net, layer="a/hidden:0", size=8, grid=9).transform(pictures)


def test_a_grid_takes_no_given_averages(net, pictures):
    home = pictures[0].parent.parent
    np.savez(home / "mobilenetv2_1280_uint8.npz", features=np.ones((1, 3), np.uint8), names=["1.png"], scale=1.0)
    rows = MobileNetV2(net, layer="a/hidden:0", size=8, grid=2).transform(pictures)
    assert np.array_equal(rows, Network(net, layer="a/hidden:0", size=8, grid=2).transform(pictures))


def test_values_beyond_float16_are_kept_whole():
    assert _kept(np.array([1.0, 7e4], dtype=np.float32)).tolist() == [1.0, 7e4]
    assert _kept(np.array([1.0, -2.0], dtype=np.float32)).dtype == np.float16


def test_a_vision_model_of_transformers(tmp_path, pictures):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16
    )
    model = transformers.ViTModel(config).eval()
    model.save_pretrained(tmp_path / "vit")
    values = torch.from_numpy(((squashed(pictures, 32) - 0.5) / 0.5).transpose(0, 3, 1, 2).astype(np.float32))
    with torch.inference_mode():
        expected = model(pixel_values=values)
    options = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    rows = Network(str(tmp_path / "vit"), **options).transform(pictures)
    assert np.allclose(rows, expected.pooler_output, atol=2e-3)
    rows = Network(str(tmp_path / "vit"), layer="last_hidden_state", **options).transform(pictures)
    assert np.allclose(rows, expected.last_hidden_state.mean(dim=1), atol=2e-3)
    with pytest.raises(BadInput, match="no output 'logits'"):
        Network(str(tmp_path / "vit"), layer="logits", **options).transform(pictures)


def test_given_arrays_take_the_place_of_the_network(pictures, monkeypatch):
    rng = np.random.default_rng(0)
    features = rng.integers(0, 256, (7, 5), dtype=np.uint8)
    names = [*(path.name for path in pictures[::-1]), "no_picture.png"]
    home = pictures[0].parent.parent
    np.savez(
        home / "mobilenetv2_1280_uint8.npz",
        features=features,
        names=names,
        scale=np.float32(0.5),
        offset=np.float32(-3),
    )
    monkeypatch.setattr("diptych.features.network.Network.run", lambda self, paths, progress: np.empty((len(paths), 5)))
    asked = [pictures[2], pictures[0], pictures[2], pictures[0].parent / "no_picture.png"]
    rows = read("mobilenetv2:raw").transform(asked)
    assert np.array_equal(rows, features[[3, 5, 3, 6]] * np.float32(0.5) - 3)


def test_pictures_without_a_given_row_go_through_the_network(net, pictures):
    home = pictures[0].parent.parent
    np.savez(
        home / "mobilenetv2_1280_uint8.npz",
        features=np.full((1, 192), 9, np.uint8),
        names=["1.png"],
        scale=np.float32(1),
    )
    rows = read(f"mobilenetv2@file={net}@layer=features@size=8:raw").transform(pictures)
    run = Network(net, layer="features", size=8).transform(pictures)
    assert (rows[1] == 9).all() and np.array_equal(np.delete(rows, 1, 0), np.delete(run, 1, 0))
    assert np.array_equal(read(f"mobilenetv2@file={net}@layer=features@size=8@given=no:raw").transform(pictures), run)


def test_a_broken_array_is_named(pictures):
    (pictures[0].parent.parent / "mobilenetv2_1280_uint8.npz").write_bytes(b"PK")
    with pytest.raises(BadInput, match=r"mobilenetv2_1280_uint8\.npz: not an array of features"):
        read("mobilenetv2").transform(pictures)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "folder", "least"),
    # The arrays of MobileNetV2 were computed on larger copies of the pictures than those that lie beside them.
    [("efficientnetv2", "flickr8k", 0.99), ("efficientnetv2", "coco_val2017", 0.99), ("mobilenetv2", "flickr8k", 0.75)],
)
def test_given_rows_are_those_of_the_network(data, name, folder, least):
    paths = sorted((data / folder / "images").iterdir())[::500]
    given = read(f"{name}:raw").transform(paths)
    run = read(f"{name}@given=no:raw").transform(paths)
    cosines = (given * run).sum(axis=1) / np.linalg.norm(given, axis=1) / np.linalg.norm(run, axis=1)
    assert given.shape == (len(paths), 1280) and cosines.mean() > least
    crossed = given / np.linalg.norm(given, axis=1)[:, None] @ (run / np.linalg.norm(run, axis=1)[:, None]).T
    assert (crossed.argmax(axis=0) == np.arange(len(paths))).all()


@pytest.mark.data
@pytest.mark.parametrize(("name", "atol"), [("efficientnetv2", 2e-3), ("mobilenetv2", 0.03)])  # one is quantised
def test_cells_average_to_the_row_of_the_network(data, name, atol):
    paths = sorted((data / "flickr8k" / "images").iterdir())[:3]
    one = read(f"{name}@grid=1:raw").transform(paths)
    assert one.shape == (3, 1, 1280)
    assert np.allclose(one[:, 0], read(f"{name}@given=no:raw").transform(paths), atol=atol)
    cells = read(f"{name}@grid=3:raw").transform(paths)
    assert cells.shape == (3, 9, 1280) and cells.std(axis=1).mean() > 0.1


@pytest.mark.data
def test_given_rows_need_no_pictures(data):
    paths = [data / "fashion" / "images" / name for name in ("15970.jpg", "21379.jpg")]
    rows = read("mobilenetv2").transform(paths)
    assert rows.shape == (2, 1280) and np.allclose(np.linalg.norm(rows, axis=1), 1)
    with pytest.raises(BadInput, match=r"no_such_product\.jpg: not readable"):
        read("mobilenetv2").transform([*paths, data / "fashion" / "images" / "no_such_product.jpg"])
