"""Tables with a row for a picture or for a caption: CSV, TSV and parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diptych.kinds import BadInput
from diptych.sources.rows import TEXTS, Row, row

BETWEEN = "|"
"""What stands between several labels, or several captions, in one cell."""

DELIMITERS = {".csv": ",", ".tsv": "\t"}


def rows(path: Path) -> list[Row]:
    """The rows of a `.csv`, `.tsv` or `.parquet` file with the columns of `sources.rows.row`.

    Several `captions` or `labels` in one cell have `|` between them; in parquet they may be lists. Raises BadInput,
    naming file and line, where a row has more or fewer cells than the header.
    """
    lines = _parquet(path) if path.suffix.lower() == ".parquet" else _delimited(path)
    return [row(fields, where, BETWEEN) for where, fields in lines]


def _delimited(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=DELIMITERS[path.suffix.lower()], strict=True)
        try:
            header = next(reader, [])
            for cells in reader:
                where = f"{path}, line {reader.line_num}"
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise BadInput(
                        f"{where}: {len(cells)} cells under a header of {len(header)}; "
                        'put "…" around a cell that holds the delimiter'
                    )
                yield where, dict(zip(header, cells, strict=True))
        except csv.Error as error:
            raise BadInput(f"{path}, line {reader.line_num}: not a table ({error})") from None
        except UnicodeDecodeError as error:
            raise BadInput(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None


def _parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise BadInput(f"{path}: reading parquet needs pyarrow; pip install 'diptych[parquet]'") from None
    try:
        file = parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise BadInput(f"{path}: not a parquet file ({error})") from None
    # Columns that nobody asks for may be large: only those that a row has are decoded.
    columns = [name for name in file.schema_arrow.names if name in ("image", *TEXTS, "labels", "split")]
    number = 0
    for batch in file.iter_batches(columns=columns):
        for fields in batch.to_pylist():
            number += 1
            yield f"{path}, row {number}", fields
