"""Two tenants on one server: nothing that one does or has shows in any answer to the other.

DIPTYCH_OPERATIONS=10000 pytest tests/app/server/test_tenants.py
"""

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from admitted_world import running
from PIL import Image

from diptych.collection import Collection

OPERATIONS = int(os.environ.get("DIPTYCH_OPERATIONS", "150"))

PICTURES = 12


@dataclass
class Tenant:
    """What one of them has and said: `secrets` are texts that nobody else may meet."""

    name: str
    client: httpx2.Client
    ids: list[str]
    secrets: set[str] = field(default_factory=set)
    tagged: dict[str, str] = field(default_factory=dict)

    @property
    def foreign(self) -> set[str]:
        """What stands in no answer to another."""
        return {*self.secrets, *self.ids, f"{self.name}-picture"}


def painted(home: Path, name: str) -> Path:
    """The same pictures for each, under names of their own."""
    for number in range(PICTURES):
        colour = (20 * number, 255 - 20 * number, 40 if number % 2 else 200)
        Image.new("RGB", (24 + number, 24), colour).save(home / f"{name}-picture-{number}.png")
    with Collection.open(home / ".diptych", "mini", write=True) as collection:
        collection.add(home, workers=1)
    return home / ".diptych"


@pytest.mark.parametrize("seed", [int(os.environ.get("DIPTYCH_SEED", "0"))])
def test_nothing_of_one_tenant_shows_to_the_other(tmp_path, seed):
    chance = random.Random(seed)
    folders = {}
    for name in ("anna", "bert"):
        (tmp_path / name).mkdir()
        folders[name, "pictures"] = painted(tmp_path / name, name)
    with running(tmp_path / "home", folders, keys=True, rate=1_000_000) as (url, admission):
        tenants = []
        for name in ("anna", "bert"):
            headers = {"Authorization": f"Bearer {admission.keys.create(name, 'write', name).token}"}
            client = httpx2.Client(base_url=f"{url}/v1/collections/pictures", headers=headers, timeout=60)
            tenants.append(Tenant(name, client, [one["id"] for one in client.get("/items").json()["items"]]))
        for number in range(OPERATIONS):
            one, other = chance.sample(tenants, 2)
            answer = operation(one, other, number, chance)
            assert answer.status_code < 500, answer.text
            for sign in other.foreign:
                assert sign not in answer.text, (seed, number, str(answer.request.url), sign)
            check(one)
        for one in tenants:
            one.client.close()


def operation(one: Tenant, other: Tenant, number: int, chance: random.Random) -> httpx2.Response:
    """One call of a tenant, who knows the ids of the other and tries them as well."""
    id = chance.choice(one.ids)
    kind = chance.randrange(9)
    if kind == 0:
        tag, caption = f"{one.name}tag{number}", f"{one.name}caption{number}"
        one.secrets |= {tag, caption}
        one.tagged[id] = tag
        return one.client.patch(f"/items/{id}", json={"tags": [tag], "captions": [caption]})
    if kind == 1:
        return one.client.post("/search", json={"query": chance.choice(["red", "green", "caption", ""]), "k": 20})
    if kind == 2:  # what the other said is asked for
        asked = chance.choice(sorted(other.secrets) or ["nothing"])
        answer = one.client.post("/search", json={"query": f'"{asked}"', "k": 20})
        assert not any(asked in why for hit in answer.json()["results"] for why in hit["why"])
        return without(answer, asked)
    if kind == 3:
        stolen = chance.choice(other.ids)
        way = chance.choice(["", "/similar", "/captions", "/original", "/thumbnails/small"])
        answer = one.client.get(f"/items/{stolen}{way}")
        assert answer.status_code == 404
        return answer
    if kind == 4:
        stolen = chance.choice(other.ids)
        answer = one.client.post("/search", json={"parts": [{"item": stolen}], "marks": {"yes": [stolen]}})
        assert answer.status_code == 404
        return answer
    if kind == 5:
        return one.client.get("/facets")
    if kind == 6:
        return one.client.get(f"/items/{id}/similar")
    if kind == 7:
        return one.client.get(f"/items/{id}/captions")
    return one.client.get("/jobs")


def without(answer: httpx2.Response, asked: str) -> httpx2.Response:
    """The answer without the question, which it repeats."""
    fresh = httpx2.Response(answer.status_code, text=answer.text.replace(asked, ""), request=answer.request)
    return fresh


def check(one: Tenant) -> None:
    """Counts are those of what the tenant said, whatever the other said."""
    told = one.client.get("/facets", params={"field": "tag"}).json()
    assert told["total"] == PICTURES
    assert {entry["value"] for entry in told["fields"]["tag"]} == set(one.tagged.values())
