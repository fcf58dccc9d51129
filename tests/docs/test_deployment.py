"""The files for running a server elsewhere name what there is: commands, options, variables, extras, files."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer.main

from diptych.app.cli import app

pytest.importorskip("fastapi")

from diptych.app.server.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("Containerfile", "compose.yaml")}
FILES |= {"diptych.service": (ROOT / "packaging" / "diptych.service").read_text(encoding="utf-8")}
FILES |= {"deploy.md": (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")}
SOURCES = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
SETTINGS = {f"DIPTYCH_{field.name.upper()}" for field in fields(Settings)}
FORM = re.compile(r"diptych((?: [a-z]+)+)((?: [^\n#|`;&]*)?)")


def test_every_variable_is_read_somewhere():
    for name, text in FILES.items():
        for variable in set(re.findall(r"DIPTYCH_[A-Z_]+", text)):
            assert variable in SETTINGS or f'"{variable}"' in SOURCES, (name, variable)


def test_every_value_of_a_setting_can_be_read():
    given = dict(re.findall(r"(DIPTYCH_\w+)[=:] *\"?([\w./]+)", FILES["Containerfile"] + FILES["compose.yaml"]))
    unit = dict(re.findall(r"^Environment=(DIPTYCH_\w+)=(\S+)", FILES["diptych.service"], re.MULTILINE))
    for some, keys in ((given, {"host": "0.0.0.0", "proxies": 1}), (unit, {"keys": True, "proxies": 1})):
        settings = Settings.of(some)
        assert {name: getattr(settings, name) for name in keys} == keys and not settings.local
    assert Settings.of(given).home == Path("/data/server") and given["DIPTYCH_CACHE"] == "/data/cache"
    assert Settings.of(unit).home.is_relative_to("/var/lib/diptych")


def command(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words begin with, and what of them is left."""
    found: Any = typer.main.get_command(app)
    while words and hasattr(found, "commands"):
        assert words[0] in found.commands, f"diptych {words[0]}"
        found, words = found.commands[words[0]], words[1:]
    return found, words


@pytest.mark.parametrize("name", ["diptych.service", "deploy.md"])
def test_every_command_and_option_is_there(name):
    told = re.findall(
        r"^(?!Description|#).*?\bdiptych ((?:serve|keys|index|mcp|erase)\b[^\n#`|]*)", FILES[name], re.MULTILINE
    )
    assert told
    for line in told:
        found, rest = command(line.split())
        options = {flag for parameter in found.params for flag in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, line


def test_what_the_container_runs_is_there():
    (told,) = re.findall(r"^CMD \[(.*)\]", FILES["Containerfile"], re.MULTILINE)
    words = re.findall(r'"([^"]+)"', told)
    assert command(words)[1] == ["/pictures"]
    assert f"command: [{told}]" in FILES["compose.yaml"]
    port = str(Settings().port)
    assert f"EXPOSE {port}" in FILES["Containerfile"] and f"diptych:{port}" in FILES["compose.yaml"]


def test_extras_and_files_that_are_installed_are_there():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for name, text in FILES.items():
        for extra in re.findall(r"(?:\.whl\)|'\.)\[(\w+)\]", text):
            assert extra in extras, name
    copied = re.findall(r"^COPY (?!--)(.*) \S+$", FILES["Containerfile"], re.MULTILINE)
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for path in " ".join(copied).split():
        assert (ROOT / path).exists() and f"!{path}" in kept, path


def test_nothing_runs_as_root_or_listens_without_a_proxy():
    last = FILES["Containerfile"].rpartition("\nFROM ")[2]
    user = re.findall(r"^USER (\d+)$", last, re.MULTILINE)
    assert user and int(user[-1]) > 1000 and "pip" not in last
    assert "User=root" not in FILES["diptych.service"] and "DynamicUser=yes" in FILES["diptych.service"]
    assert set(re.findall(r"-p (\S+)", FILES["deploy.md"])) == {
        "127.0.0.1:8642:8642",
        "DynamicUser=yes",
        "User=diptych",
        "StateDirectory=diptych",
    }


def test_the_composition_is_hardened():
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load(FILES["compose.yaml"])["services"]
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name
    assert "ports" not in services["diptych"]  # the proxy alone is reached
    assert all(
        volume.endswith(":ro") or not volume.startswith(("$", ".", "/", "~"))
        for volume in services["diptych"]["volumes"]
    )
