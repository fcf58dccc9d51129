"""`diptych serve` and its answers to eight clients at once, as whole processes over loopback.

Rows are pictures in a cone as CLIP lays them out (`collection.py`), and a few hundred real files, painted postcards.
One process asks in eight threads, each of its own connection, another text each time; it takes its part of the machine.

  start      from the start of the server to its first answer, and to its first search, all files in the page cache
  search     texts as words, ten answers each: 95 of 100 within, and searches a second; the encoder, verdicts, reasons
             and facts of the items are in it
  page       the first page of thumbnails, 24 of them over six connections as a browser has: made, and kept
  memory     that the server and its children hold after all that

Beside it on the same rows, with the same encoder: LanceDB (IVF_PQ, as in `api.py`) behind a route of the same kind, ten
ids with their scores as JSON; and the back end of clip-retrieval as it stands, over the index that autofaiss takes for
so many rows (HNSW), without what it would load from the network (a safety model, aesthetic scores).

    pip install -e ".[serve,client,torch,bench]"
    pip install --no-deps clip-retrieval autofaiss && pip install flask flask-restful flask-cors fire h5py
    python bench/serve.py [--json] [--items 100000] [--widths 256 512] [--quick]
"""

from __future__ import annotations

import argparse
import http.client
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import processes

from collection import network, pictures, said
from diptych import postcards
from diptych.collection import Collection, Entry
from diptych.encoders.pair import OnnxPair
from diptych.kinds import Array

CLIENTS, K, PAGE, BROWSER = 8, 10, 24, 6
SEARCHES, CARDS = 2000, 300
BARS = {"search_p95_ms": 60, "searches_s": 100, "page_made_ms": 150, "page_kept_ms": 150, "first_search_s": 1.5}
"""What the project wants of itself: the times at the most, and so many searches at the least."""

Figures = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A server: where it listens, what it is, and when it was started."""

    port: int
    process: subprocess.Popen[str]
    started: float

    def ask(self, connection: http.client.HTTPConnection, path: str, body: Any = None) -> bytes:
        """One request. Ends the run where it is not answered."""
        sent = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} if sent else {}
        connection.request("GET" if sent is None else "POST", path, sent, headers)
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {data[:300]!r}")
        return data

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def first(self, path: str, body: Any = None) -> float:
        """Seconds from the start of the process until this is answered."""
        while True:
            try:
                self.ask(self.connection(), path, body)
                return time.perf_counter() - self.started
            except ConnectionError:
                if self.process.poll() is not None:
                    raise SystemExit(f"{self.process.args} ended by itself") from None
                time.sleep(0.005)


@contextmanager
def running(command: list[str | Path], home: Path) -> Iterator[Place]:
    """A server as a process, which prints its address."""
    environment = {**os.environ, "DIPTYCH_HOME": str(home), "DIPTYCH_RATE": "100000000"}
    started = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), env=environment, text=True, stdout=subprocess.PIPE)
    try:
        line = process.stdout.readline()  # type: ignore[union-attr]
        yield Place(int(line.split("/")[2].rpartition(":")[2]), process, started)
    finally:
        process.terminate()
        process.wait()


def asked(place: Place, path: str, texts: list[str], body: Figures, field: str) -> tuple[Array, list[Any]]:
    """Milliseconds of each answer, and the answers, of as many clients at once as there are. field: of the text."""
    times, answers = np.zeros(len(texts)), [b""] * len(texts)

    def client(first: int) -> None:
        connection = place.connection()
        for number in range(first, len(texts), CLIENTS):
            start = time.perf_counter()
            answers[number] = place.ask(connection, path, {**body, field: texts[number]})
            times[number] = 1e3 * (time.perf_counter() - start)

    threads = [threading.Thread(target=client, args=(first,)) for first in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, [json.loads(answer) for answer in answers]


def searched(
    place: Place, path: str, texts: list[str], body: Figures, field: str = "query"
) -> tuple[Figures, list[Any]]:
    """Figures of many searches, and the answers; some come first to warm up."""
    asked(place, path, texts[: 4 * CLIENTS], body, field)
    start = time.perf_counter()
    times, answers = asked(place, path, texts, body, field)
    seconds = time.perf_counter() - start
    return {
        "search_p50_ms": float(np.median(times)),
        "search_p95_ms": float(np.quantile(times, 0.95)),
        "searches_s": len(texts) / seconds,
    }, answers


def page(place: Place, base: str, ids: list[str]) -> float:
    """Milliseconds until a browser has the thumbnails of these."""

    def client(first: int) -> None:
        connection = place.connection()
        for id in ids[first::BROWSER]:
            place.ask(connection, f"{base}/items/{id}/thumbnails/small")

    threads = [threading.Thread(target=client, args=(first,)) for first in range(BROWSER)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1e3 * (time.perf_counter() - start)


def recall(found: list[list[int]], rows: Array, texts: Array) -> float:
    """Part of the true ten nearest rows, (n, d), of some texts, (m, d), that was found."""
    true = [np.argpartition(-(rows @ text), K)[:K] for text in texts]
    return float(np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(found, true, strict=True)]))


def ours(home: Path, cards: Path, texts: list[str]) -> tuple[Figures, list[list[int]]]:
    """Figures of `diptych serve`, and the rows that each text found. cards: a collection of pictures that are files."""
    command = [sys.executable, "-m", "diptych.app.cli", "serve", home, cards, "--port", "0"]
    base, painted = f"/v1/collections/{home.name}", f"/v1/collections/{cards.name}"
    warm = {"query": "a tree", "k": K, "language": "plain"}
    for _ in range(2):  # the first one fills the page cache
        with running(command, home.parent / "server") as place:
            results = {"first_answer_s": place.first("/healthz"), "first_search_s": place.first(f"{base}/search", warm)}
    with running(command, home.parent / "server") as place:
        place.first("/healthz")
        figures, answers = searched(place, f"{base}/search", texts, {"k": K, "language": "plain"})
        listed = json.loads(place.ask(place.connection(), f"{painted}/items?limit={10 * PAGE}"))
        ids = [item["id"] for item in listed["items"]]
        page(place, painted, ids[-PAGE:])  # the processes that read pictures are started with the first
        made = [page(place, painted, ids[at : at + PAGE]) for at in range(0, 8 * PAGE, PAGE)]
        kept = [page(place, painted, ids[at : at + PAGE]) for at in range(0, 8 * PAGE, PAGE)]
        results |= figures | {"page_made_ms": float(np.median(made)), "page_kept_ms": float(np.median(kept))}
        results["memory_mb"] = sum(map(processes._resident_mb, processes._family(place.process.pid)))
    found = [[int(hit["name"]) for hit in answer["results"]] for answer in answers]
    return results, found


def lancedb(home: Path, rows: Array, texts: list[str]) -> tuple[Figures, list[list[int]]]:
    import lancedb
    import pyarrow
    from lancedb.index import IvfPq

    values = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.reshape(-1)), rows.shape[1])
    table = lancedb.connect(home).create_table("rows", pyarrow.table({"id": np.arange(len(rows)), "vector": values}))
    cells = max(1, round(len(rows) ** 0.5))
    config = IvfPq(distance_type="dot", num_partitions=cells, num_sub_vectors=rows.shape[1] // 8)
    table.create_index("vector", config=config)
    command = [sys.executable, __file__, "--peer", home, str(rows.shape[1])]
    with running(command, home) as place:
        results = {"first_search_s": place.first("/search", {"query": "a tree", "k": K})}
    with running(command, home) as place:
        figures, answers = searched(place, "/search", texts, {"k": K})
        results |= figures
        results["memory_mb"] = sum(map(processes._resident_mb, processes._family(place.process.pid)))
    return results, [[hit["id"] for hit in answer["results"]] for answer in answers]


def clip_retrieval(home: Path, rows: Array, texts: list[str]) -> tuple[Figures, list[list[int]]]:
    import faiss
    import pandas

    (home / "metadata").mkdir(parents=True)
    index = faiss.IndexHNSWFlat(rows.shape[1], 15, faiss.METRIC_INNER_PRODUCT)
    index.add(rows)
    faiss.write_index(index, str(home / "image.index"))
    names = [str(number) for number in range(len(rows))]
    pandas.DataFrame({"image_path": names, "caption": names}).to_parquet(home / "metadata" / "metadata_0.parquet")
    (home / "indices.json").write_text(json.dumps({"ours": str(home)}))
    command = [sys.executable, __file__, "--clip-back", home, str(rows.shape[1])]
    body = {"indice_name": "ours", "modality": "image", "num_images": K, "num_result_ids": K}
    with running(command, home) as place:
        results = {"first_search_s": place.first("/knn-service", {"text": "a tree", **body})}
    with running(command, home) as place:
        place.first("/knn-service", {"text": "a tree", **body})
        figures, answers = searched(place, "/knn-service", texts, body, "text")
        results |= figures
        results["memory_mb"] = sum(map(processes._resident_mb, processes._family(place.process.pid)))
    return results, [[int(hit["image_path"]) for hit in answer] for answer in answers]


def clip_back(home: str, width: int) -> None:
    """The back end of clip-retrieval, as a process of its own. Only the module that serves is imported, and the network
    that it would fetch is the encoder of this run."""
    import socket
    import types

    import torch

    class Texts(list[str]):
        def to(self, device: str) -> Texts:
            return self

    class Encoder:
        encoder = OnnxPair(network(width))

        def encode_text(self, texts: Texts) -> torch.Tensor:
            return torch.from_numpy(np.array(self.encoder.encode_texts(texts)))

    def load_clip(name: str, use_jit: bool, device: str) -> tuple[Encoder, None, type[Texts]]:
        return Encoder(), None, Texts

    spec = importlib.util.find_spec("clip_retrieval")
    package = types.ModuleType("clip_retrieval")  # its own __init__ imports what trains and downloads
    package.__path__ = list(spec.submodule_search_locations)  # type: ignore[union-attr,arg-type]
    sys.modules["clip_retrieval"] = package
    page = types.SimpleNamespace(add_static_endpoints=lambda *of: None)  # of its front end
    sys.modules["clip_retrieval.clip_front"] = page  # type: ignore[assignment]
    sys.modules["all_clip"] = types.SimpleNamespace(load_clip=load_clip)  # type: ignore[assignment]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    print(f"http://127.0.0.1:{port}/", flush=True)
    sys.stdout = sys.stderr
    back = importlib.import_module("clip_retrieval.clip_back")
    back.clip_back(
        str(Path(home) / "indices.json"), port, enable_mclip_option=False, provide_aesthetic_embeddings=False
    )


def peer(home: str, width: int) -> None:
    """The route of LanceDB, as a process of its own."""
    import socket

    import lancedb
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    table = lancedb.connect(home).open_table("rows")
    encoder = OnnxPair(network(width))
    app = FastAPI()

    class Search(BaseModel):
        query: str
        k: int

    def search(asked: Search) -> dict[str, Any]:
        nearest = table.search(encoder.encode_texts([asked.query])[0]).distance_type("dot").nprobes(50)
        found = nearest.refine_factor(20).select(["id", "_distance"]).limit(asked.k).to_arrow()
        return {
            "results": [
                {"id": id, "score": 1 - d}
                for id, d in zip(*(found[c].to_pylist() for c in ("id", "_distance")), strict=True)
            ]
        }

    search.__annotations__["asked"] = Search  # a name of this function, which FastAPI would not find
    app.post("/search")(search)
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # so that asyncio sets TCP_NODELAY
    bound.bind(("127.0.0.1", 0))
    bound.listen()  # who is told the address calls at once
    print(f"http://127.0.0.1:{bound.getsockname()[1]}/", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run([bound])


def measured(width: int, n: int, searches: int, home: Path) -> dict[str, Figures]:
    encoder = OnnxPair(network(width))
    rows = pictures(n, encoder)
    postcards.write(home / "painted", CARDS, seed=5)
    cards, collection = home / "cards", home / "collection"
    with Collection.open(cards, str(encoder.folder), write=True) as opened:
        opened.add(home / "painted" / "images")
    with Collection.open(collection, str(encoder.folder), write=True) as opened:
        opened.put(Entry(str(number), row) for number, row in enumerate(rows))
    texts = said(searches, seed=2)
    encoded = encoder.encode_texts(texts)
    found: dict[str, Figures] = {}
    results, answers = ours(collection, cards, texts)
    found["ours"] = results | {"recall": recall(answers, rows, encoded)}
    if importlib.util.find_spec("lancedb"):
        results, answers = lancedb(home / "lance", rows, texts)
        found["LanceDB"] = results | {"recall": recall(answers, rows, encoded)}
    if importlib.util.find_spec("clip_retrieval") and importlib.util.find_spec("flask_restful"):
        results, answers = clip_retrieval(home / "clip", rows, texts)
        found["clip-retrieval"] = results | {"recall": recall(answers, rows, encoded)}
    return found


def tell(width: int, found: dict[str, Figures]) -> None:
    print(f"{width} columns; load {os.getloadavg()[0]:.1f}")
    for name, figure in found["ours"].items():
        bar = f"   (at {'least' if name == 'searches_s' else 'most'} {BARS[name]})" if name in BARS else ""
        beside = "".join(
            f"   {way} {figures[name]:.2f} x{figures[name] / figure:.2f}"
            for way, figures in found.items()
            if way != "ours" and name in figures
        )
        print(f"  {name:16} {figure:9.2f}{bar}{beside}", flush=True)


def main() -> None:
    for flag, serve in (("--peer", peer), ("--clip-back", clip_back)):
        if sys.argv[1:2] == [flag]:
            serve(sys.argv[2], int(sys.argv[3]))
            return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--widths", type=int, nargs="*", default=[256, 512])
    parser.add_argument("--quick", action="store_true", help="3,000 rows, one width and 200 searches")
    wanted = parser.parse_args()
    searches = SEARCHES
    if wanted.quick:
        wanted.items, wanted.widths, searches = 3_000, wanted.widths[:1], 200
    results: dict[str, Any] = {"items": wanted.items, "widths": {}}
    for width in wanted.widths:
        with tempfile.TemporaryDirectory() as temporary:
            found = measured(width, wanted.items, searches, Path(temporary))
        results["widths"][width] = found
        if not wanted.json:
            tell(width, found)
    if wanted.json:
        print(json.dumps(results))
    elif not importlib.util.find_spec("lancedb"):
        print("not installed, so left out: lancedb; pip install -e .[bench]")


if __name__ == "__main__":
    main()
