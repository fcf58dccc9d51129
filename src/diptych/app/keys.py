"""The API keys of a server: `keys create`, `keys list`, `keys revoke`. A server that runs heeds each at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from diptych.app.shell import JsonOption, app, print_json, print_line, print_note
from diptych.kinds import BadInput

if TYPE_CHECKING:
    from diptych.app.server.access.keys import Key, Keys

keys = typer.Typer(no_args_is_help=True)
app.add_typer(keys, name="keys", help="Make, list and revoke the API keys of a server.")

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="The folder of the server that keeps them; by default $DIPTYCH_HOME.")
]
TenantOption = Annotated[str, typer.Option("--tenant", help="Whose collections; without, those of the one owner.")]


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it: who or what will use it.")],
    scope: Annotated[
        str, typer.Option("--scope", help="read, write or admin; each includes those before it.")
    ] = "read",
    tenant: TenantOption = "",
    collections: Annotated[
        list[Path] | None,
        typer.Option(
            "--collection",
            help="May see this one alone: a folder that is served, or one made over HTTP; may be repeated.",
        ),
    ] = None,
    days: Annotated[int | None, typer.Option("--days", help="How long it lasts; without, until it is revoked.")] = None,
    takes_all: Annotated[
        str, typer.Option("--takes-all", help="For a backup: hours in UTC at which it may take everything, as 1-5.")
    ] = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, this once."""
    with _kept(home) as kept:
        seconds = None if days is None else days * 86_400.0
        some = None if collections is None else [_place(one, tenant, home) for one in collections]
        new = kept.create(name, scope, tenant, some, seconds, _hours(takes_all) if takes_all else None)
    if as_json:
        print_json(_facts(new.key) | {"key": new.token})
    else:
        print_line(new.token)
        print_note("keep it now, it is not shown again; programs send it as: Authorization: Bearer KEY")


@keys.command("list")
def listed(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """List the keys there were, with what they may and when they were last used."""
    from diptych.app import tables

    with _kept(home) as kept:
        found = kept.all()
    if as_json:
        print_json([_facts(key) for key in found])
    else:
        tables.keys(found, time.time())


@keys.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="NAME", help="The name of a key in use, or its id.")],
    tenant: TenantOption = "",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse a key from now on, and the browsers that signed in with it."""
    with _kept(home) as kept:
        key = kept.revoke(which, tenant)
    if as_json:
        print_json(_facts(key))
    else:
        print_line(f"{key.name} ({key.id}) is refused from now on")
        print_note(f"what they did with answers is kept; to delete it: diptych feedback FOLDER --forget {key.id}")


@contextmanager
def _kept(home: Path | None) -> Iterator[Keys]:
    from diptych.app.server.access import files
    from diptych.app.server.access.database import Database
    from diptych.app.server.access.keys import Keys

    with Database(home or files.home()) as database:
        yield Keys(database)


def _place(collection: Path, tenant: str, home: Path | None) -> str:
    """Where a collection lies: its name is given anew each time that the server starts."""
    from diptych.app import places
    from diptych.app.server.access import files

    made = files.collection(home or files.home(), tenant, collection.name)
    if not collection.exists() and len(collection.parts) == 1 and made.is_dir():
        return str(made.resolve())
    return str(places.served(collection).resolve())


def _hours(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal()):
        raise BadInput(f"--takes-all {text!r}: give two hours, such as 1-5")
    return int(first), int(last)


def _facts(key: Key) -> dict[str, Any]:
    """A key as JSON: times in UTC, ISO 8601."""
    times = {
        name: None if value is None else datetime.fromtimestamp(value, UTC).isoformat()
        for name in ("created", "expires", "used", "revoked")
        for value in [getattr(key, name)]
    }
    return asdict(key) | times | {"state": key.state(time.time())}
