# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of a TOML file into dataclasses, with errors that name the table and the key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Number = float | str
"""A number, or an expression in quotes that gives one."""
Word = str
"""A word, which may hold "{name}" of what is varied."""
Point = tuple[Number, ...]
"""Two or three numbers."""
_T = TypeVar("_T")


def read_table(kind: type[_T], values: object, where: str) -> _T:
    """A dataclass from a table; lists become tuples, nested tables nested dataclasses.

    Raises ValueError naming `where` and the key that is unknown, missing or of the wrong type.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{where} must be a table")
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ValueError(f"{where} {unknown[0]}: no such key; there are {', '.join(fields)}")
    for name, f in fields.items():
        needed = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if needed and name not in values:
            raise ValueError(f"{where} {name} is missing")
    hints = get_type_hints(kind)
    return kind(**{key: _value(hints[key], value, f"{where} {key}") for key, value in values.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    options = get_args(hint) if isinstance(hint, UnionType) or get_origin(hint) is Union else (hint,)
    for option in options:
        if dataclasses.is_dataclass(option) and isinstance(option, type) and isinstance(value, dict):
            return read_table(option, value, where)
        if option is bool and isinstance(value, bool):
            return value
        if option is float and isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if option is str and isinstance(value, str):
            return value
        if get_origin(option) is tuple:
            inner = get_args(option)[0]
            if isinstance(value, str) and inner is str:
                return (value,)
            if isinstance(value, list) and value:
                return tuple(_value(inner, v, where) for v in value)
        if get_origin(option) is Mapping and isinstance(value, dict):
            return value
    raise ValueError(f"{where} is {value!r}, which is not {_said(options)}")


def _said(options: tuple[Any, ...]) -> str:
    names = {float: "a number", str: "a word or expression", bool: "true or false"}
    said = [
        names.get(o, "a list" if get_origin(o) is tuple else "a table")
        for o in options
        if o is not type(None)
    ]
    return " or ".join(dict.fromkeys(said))
