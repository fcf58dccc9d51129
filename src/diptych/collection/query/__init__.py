"""The little query language: text, pictures and filters in one line.

    two dogs in the snow
    dog + beach - people                     soft: the vectors are added and subtracted
    "2:golden retriever" + ./pool.jpg        weights and pictures
    dog NOT people                           hard: nothing that shows people
    dog year >= 2020 AND tag:family AND near(48.85, 2.35, 20km)

Terms rank the items, filters decide which items may appear. `parse` is total: every string gives a Query or a BadInput
that names the column. `Filter.passing` asks for the items by parameterised SELECTs over the tables of a collection:

    items(id, path, name, folder, size, width, height, taken, camera, lat, lon)   taken: local time, ISO 8601 with T
    captions(item, text)   tags(item, tag)   metadata(item, key, value)
"""

from diptych.collection.query.parser import DEPTH, LENGTH, PARTS, parse
from diptych.collection.query.sql import EARTH, great_circle_km, register
from diptych.collection.query.tree import (
    COLUMNS,
    AllOf,
    AnyOf,
    Column,
    Comparison,
    Field,
    Filter,
    Has,
    Near,
    Not,
    Query,
    Term,
    fields,
    flat,
)

__all__ = [
    "COLUMNS",
    "DEPTH",
    "EARTH",
    "LENGTH",
    "PARTS",
    "AllOf",
    "AnyOf",
    "Column",
    "Comparison",
    "Field",
    "Filter",
    "Has",
    "Near",
    "Not",
    "Query",
    "Term",
    "fields",
    "flat",
    "great_circle_km",
    "parse",
    "register",
]
