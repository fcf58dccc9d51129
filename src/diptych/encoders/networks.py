"""ONNX files as sessions of onnxruntime; large ones from a copy that loads in a fraction of the time and memory.

onnxruntime reads a file of graph and weights into memory, copies the weights out of it, and packs them. In the copy the
graph is optimised and the weights are a file of their own, which is mapped: nothing is copied, and what no text asks
for, such as the vectors of most words, is never read. Copies lie in the cache, and can be deleted at any time.
"""

from __future__ import annotations

import json
import mmap
import shutil
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from diptych.kinds import BadInput
from diptych.sources import cache

LARGE = 32 << 20
"""Bytes of a file that is worth a copy."""

_ACCELERATORS: dict[str, dict[str, str]] = {
    "CUDAExecutionProvider": {"use_tf32": "0"},  # which would round rows otherwise than the processor does
    "CoreMLExecutionProvider": {},
    "DmlExecutionProvider": {},
}
"""What onnxruntime calls those that are used, the first that is there, and what they are told."""

_GRAPH, _SUMS = "graph.onnx", "sums.json"


def session(file: Path, threads: int, sealed: str | None = None) -> Any:
    """The file, ready to run on so many threads.

    sealed   the sha256 it has to have
    Raises BadInput where it has another, where onnxruntime does not read it, and where its weights are in other files.
    """
    with ThreadPoolExecutor(1) as beside:
        compared = beside.submit(compare, file, sealed)  # takes a third as long as loading
        try:
            if file.stat().st_size >= LARGE:
                compared.result()
                loaded = _of_a_copy(file, threads)
            else:
                loaded = _load(file, _options(threads, file))
        except BadInput:
            raise
        except Exception as error:  # onnxruntime's own classes, defined in C++
            compared.result()
            raise BadInput(f"{file}: onnxruntime does not read it ({first_line(error)})") from None
        compared.result()
    return loaded


def accelerated(file: Path, sealed: str | None = None) -> Any | None:
    """The file, ready to run on a GPU or the like; None where there is none, where it fails, and where it is no gain.

    That is what onnxruntime as it is installed can use: CUDA (onnxruntime-gpu), CoreML (any on a Mac), DirectML
    (onnxruntime-directml). A small network is done before one of them has started, and dynamic quantisation is made for
    processors.
    sealed   as `session` has it
    """
    import onnxruntime

    there = [name for name in _ACCELERATORS if name in onnxruntime.get_available_providers()]
    if not there or file.stat().st_size < LARGE or scales_by_batch(file):
        return None
    compare(file, sealed)
    options = _options(1, file)
    options.enable_mem_pattern = False  # as DirectML wants it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            providers = [(there[0], _ACCELERATORS[there[0]]), "CPUExecutionProvider"]
            loaded = onnxruntime.InferenceSession(str(file), options, providers=providers)
    except Exception as error:  # onnxruntime's own classes, defined in C++
        fall_back(file, there[0], first_line(error))
        return None
    if there[0] not in loaded.get_providers():
        fall_back(file, there[0], "it does not start; does its driver, or a library it needs, lack?")
        return None
    return loaded


def fall_back(file: Path, accelerator: str, why: str) -> None:
    """Say in one line that the processor does what an accelerator was to do."""
    told = f"{file.name} runs on the processor and not on {accelerator.removesuffix('ExecutionProvider')}: {why}"
    warnings.warn(told, stacklevel=2)


def compare(file: Path, sealed: str | None) -> None:
    """Raise BadInput where the file is not the one of this sha256."""
    if sealed and sha256(file) != sealed:
        raise BadInput(f"{file} is not the file that its card was written for; bring it again")


def sha256(file: Path) -> str:
    """Of the file, hexadecimal. Raises BadInput where it cannot be read."""
    try:
        return cache.file_fingerprint(file)
    except OSError as error:
        raise BadInput(f"{file}: not readable ({error.strerror})") from None


def scales_by_batch(file: Path) -> bool:
    """Whether something in it is quantised by the largest number that comes in, whoever brought it."""
    if not file.stat().st_size:
        return False
    with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as held:
        return held.find(b"DynamicQuantize") >= 0  # the name of the operation


def first_line(error: Exception) -> str:
    """What an error of another library says, in short."""
    return str(error).partition("\n")[0][:200]


def _of_a_copy(file: Path, threads: int) -> Any:
    import onnxruntime

    of = sha256(file)[:32]
    folder = cache.home() / "networks" / f"{of}-{onnxruntime.__version__}"
    try:
        if not _whole(folder):
            for old in folder.parent.glob(f"{of}-*"):
                shutil.rmtree(old, ignore_errors=True)
            _write(file, folder)
        return _load(folder / _GRAPH, _options(threads))
    except Exception:  # a full disk, a cache that is read-only, a file that is no network: then it says so itself
        return _load(file, _options(threads, file))


def _whole(folder: Path) -> bool:
    try:
        sums = json.loads((folder / _SUMS).read_text())
        return bool(sums == _sums(folder))
    except (OSError, ValueError):
        return False


def _sums(folder: Path) -> dict[str, str]:
    # Where no weights are large, all are in the graph.
    return {file.name: cache.file_fingerprint(file) for file in folder.iterdir() if file.name != _SUMS}


def _write(file: Path, folder: Path) -> None:
    """Make the copy beside its place, and put it there in one step."""
    import onnxruntime

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / folder.name
        made.mkdir()
        options = _options(1, file)
        # What goes further is of one processor, and the cache may be shared by many.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(made / _GRAPH)
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights")
        options.add_session_config_entry("session.disable_prepacking", "1")
        _load(file, options)
        (made / _SUMS).write_text(json.dumps(_sums(made)))
        made.rename(folder)


def _load(file: Path, options: Any) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _options(threads: int, brought: Path | None = None) -> Any:
    """Of a session; those of a file that somebody brought."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    # Threads that wait for work in a loop would take the cores from those that decode pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if brought:
        # Weights beside the file would be none of its sha256: no folder of them is there.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(brought))
    return options
