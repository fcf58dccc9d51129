"""Commands that keep things from others: encrypt, erase; and where the key of an encrypted collection comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from diptych.app.shell import app, print_line, print_note
from diptych.kinds import BadInput

CollectionOption = Annotated[Path, typer.Option("--collection", "-c", help="The collection's folder.")]
KeyFileOption = Annotated[
    Path | None, typer.Option("--key-file", help="The key's file, which is made if it is not there.")
]


@app.command()
def encrypt(collection: CollectionOption, key_file: KeyFileOption = None) -> None:
    """Encrypt a collection: everything of it on the disk, under a key in the system's keyring or in a file."""
    from diptych.collection import database
    from diptych.collection.collection import Collection
    from diptych.collection.store import FILE

    file = collection / FILE
    if database.is_encrypted(file):
        raise BadInput(f"{collection} is encrypted already")
    with Collection.open(collection, write=True) as found:
        made = key(collection, key_file)
        found.encrypt(made)
    print_line(f"{collection} is encrypted")


@app.command()
def erase(
    items: Annotated[list[str], typer.Argument(help="Keys, or #ids.")],
    collection: CollectionOption,
) -> None:
    """Remove items so that nothing of them is left on the disk. Their files, backups and exports are not touched."""
    from diptych.collection import Collection

    with Collection.open(collection, write=True) as found:
        ids = [int(item[1:]) if item.startswith("#") and item[1:].isdigit() else item for item in items]
        there = [found.get(id).id for id in ids]  # BadInput for one that is not there, before any is gone
        print_line(f"{found.erase(there)} erased")


def key(collection: Path, file: Path | None) -> bytes:
    """The key to encrypt with: of the file, of the environment, or a new one in the keyring."""
    from diptych.collection import secret

    if file is not None:
        made = secret.in_file(file)
        print_note(
            f"without the key in {file} nobody can read the collection, you included; keep a copy of it elsewhere"
        )
        print_note(f"other commands find it by the environment: export {secret.FILE_VARIABLE}={file.resolve()}")
        return made
    return secret.found(collection) or secret.in_keyring(collection)
