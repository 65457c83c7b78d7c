"""The examples in the docstrings of every module run."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
from pathlib import Path

import pytest

import penstock

MODULES = [
    found.name
    for found in pkgutil.walk_packages(penstock.__path__, "penstock.")
    if not found.name.startswith("penstock.examples.") and not found.name.endswith("__main__")
]


@pytest.mark.parametrize("name", ["penstock", *MODULES])
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in an empty directory; examples may leave files there."""
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0
    assert Path(os.getcwd()) == tmp_path
