# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of `bundle.json`, taken out with their type and range checked."""

from __future__ import annotations

from typing import Any

from .errors import BundleError

CARD_NAME = "bundle.json"


class Fields:
    """One JSON object; where: its own place in the document, for messages."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self.values = values
        self.where = where

    def fail(self, key: str, expected: str) -> BundleError:
        return BundleError(f"{CARD_NAME}: {self.where}{key} must be {expected}; download the bundle again")

    def table(self, key: str) -> Fields:
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise self.fail(key, "an object")
        return Fields(value, f"{self.where}{key}.")

    def tables(self, key: str) -> list[Fields]:
        """A list of objects; empty where there is none."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.fail(key, "a list of objects")
        return [Fields(item, f"{self.where}{key}[{i}].") for i, item in enumerate(value)]

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.fail(key, "a text")
        return value

    def strings(self, key: str) -> list[str]:
        value = self.values.get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(key, "a list of texts")
        return value

    def integer(self, key: str, low: int, high: int = 2**53) -> int:
        value = self.values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"a whole number of at least {low}")
        return value

    def number(self, key: str, low: float, high: float) -> float:
        value = self.values.get(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(key, f"a number from {low:g} to {high:g}")
        return float(value)

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.values.get(key)
        if value not in allowed:
            raise self.fail(key, f"one of {', '.join(allowed)} (it is {value!r})")
        return str(value)
