"""What commands share: the app they hang on, JSON and lines on standard output, notes and progress on standard error.

Every line of output is written here, so that it comes out in any encoding, and no name of a file steers a terminal.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, NoReturn, TextIO

import typer

from diptych import __version__
from diptych.kinds import BadInput, Progress

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich"
    if sys.stdout and sys.stdout.isatty()
    else None,  # help is plain in a pipe, as everything else is
)


def _version(asked: bool) -> None:
    if asked:
        print_line(f"diptych {__version__}")
        raise typer.Exit


@app.callback()
def everywhere(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Find pictures with words and words with pictures: search your own, measure every method of the field."""


JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

CLOSED_PIPE = 141
"""Exit code where the reader of standard output has gone: what a shell makes of SIGPIPE."""

# What a terminal obeys rather than shows, lines and halves of characters, and marks that turn the order of letters
# around, by which a name can look like another.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def run(command: Callable[[], object], name: str) -> None:
    """A program to its end: what the person can mend is one line and exit code 2, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what an encoding has no letter for is written as \u65e5
    shown = warnings.showwarning

    def one_line(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        """Ours, which are for whoever calls, as a line; others with the place in the code that they are about."""
        if category is UserWarning:
            print_note(f"{name}: {message}")
        else:
            shown(message, category, *where, **more)

    warnings.showwarning = one_line
    try:
        try:
            command()
        except OSError as error:
            if error.filename is not None:
                raise
            _lost(error)  # the library of commands writes its help itself, and what has no name is a stream
        finally:
            flush()
    except BadInput as error:
        print_note(f"{name}: {error}")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print_note(f"{name}: stopped")
        raise SystemExit(130) from None


def print_json(value: Any) -> None:
    """One line of JSON on standard output; numbers that are not finite become null, which JSON can hold."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    ascii_only = not encoding.lower().replace("-", "").startswith("utf")
    text = json.dumps(_finite(value), ensure_ascii=ascii_only)
    write(_UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")


def print_line(*fields: str) -> None:
    """One line on standard output: the fields with tabs between them."""
    write("\t".join(map(printable, fields)) + "\n")


def a_person_reads() -> bool:
    """Whether what is printed goes to a terminal, and not to a file or another program."""
    return bool(sys.stdout and sys.stdout.isatty() and sys.stderr and sys.stderr.isatty())


def print_note(text: str) -> None:
    """One line on standard error, for people: where it cannot be written, nobody is there to read it."""
    if sys.stderr is not None:
        try:
            sys.stderr.write(printable(text) + "\n")
            sys.stderr.flush()
        except OSError:
            _let_go(sys.stderr)


def printable(text: str) -> str:
    """On one line, and with nothing in it that a terminal obeys: such letters are written as in C, `\\x1b`."""
    return _UNSAFE.sub(_escaped, text)


def quoted(name: str) -> str:
    """A name as `print_line` prints it: exactly; where that cannot be, in double quotes and escaped, as git does it."""
    if not _UNSAFE.search(name):
        return name
    return '"' + printable(name.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def write(text: str | bytes) -> None:
    """Exactly this on standard output. Everything that is printed goes through here."""
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "it is closed")
        if isinstance(text, bytes):
            sys.stdout.flush()
            sys.stdout.buffer.write(text)
        else:
            sys.stdout.write(text)
    except OSError as error:
        _lost(error)


def flush() -> None:
    """Hand what was printed to whoever reads."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        _lost(error)


def _lost(error: OSError) -> NoReturn:
    """Standard output takes no more: end, quietly where its reader has gone."""
    if sys.stdout is not None:
        _let_go(sys.stdout)
    if isinstance(error, BrokenPipeError):
        raise SystemExit(CLOSED_PIPE) from None
    print_note(f"diptych: standard output cannot be written ({error.strerror}); what was printed is not complete")
    raise SystemExit(1) from None


def _let_go(stream: TextIO) -> None:
    """What is left in it goes nowhere: else the interpreter would try again at the end, and tell of it in its way."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _escaped(match: re.Match[str]) -> str:
    letter = match[0]
    if "\udc80" <= letter <= "\udcff":  # a byte of a name that is no Unicode
        return f"\\x{ord(letter) - 0xDC00:02x}"
    if "\x80" <= letter <= "\x9f":  # a letter, and not that byte
        return f"\\u{ord(letter):04x}"
    return letter.encode("unicode_escape").decode()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and value - value != 0 else value


@contextmanager
def progress() -> Iterator[Progress | None]:
    """A bar on standard error while work goes on; nothing in a pipe."""
    if not (sys.stderr and sys.stderr.isatty()):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            rate = task.finished_speed or task.speed
            return Text("" if rate is None else f"{rate:.{0 if rate >= 10 else 1}f}/s", style="progress.data.speed")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        rows: dict[str, Any] = {}

        def on_progress(what: str, done: int, of: int) -> None:
            if what not in rows:
                rows[what] = bars.add_task(what, total=of)
            bars.update(rows[what], completed=done, total=of)

        yield on_progress
