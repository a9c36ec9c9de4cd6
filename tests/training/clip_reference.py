# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenAI's own CLIP modules out of the installed package, without importing the package.

`clip/__init__.py` wants torchvision; the tokenizer and the network do not.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def reference_module(name: str) -> ModuleType:
    """`simple_tokenizer` or `model` of clip-anytorch; the test is skipped where it is not installed."""
    package = importlib.util.find_spec("clip")
    if package is None or not package.submodule_search_locations:
        pytest.skip("needs: pip install --no-deps clip-anytorch")
    if name == "simple_tokenizer":
        pytest.importorskip("ftfy")
        pytest.importorskip("regex")
    path = Path(package.submodule_search_locations[0]) / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"clip_reference_{name}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
