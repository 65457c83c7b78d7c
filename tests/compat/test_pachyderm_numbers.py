"""Quantities of Kubernetes in Pachyderm's specs, as numbers and as text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.compat.pachyderm.spec import read_specs
from penstock.model.spec import Resources


def resources(said: dict[str, Any]) -> Resources:
    text = json.dumps({"pipeline": {"name": "one"}, "transform": {"cmd": ["true"]}, **said})
    (pipeline,) = read_specs([(text.encode(), "x.json")], bare=True).pipelines([], lambda name: True)
    return pipeline.steps[0].resources


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("1", 1),
        ("0.5", 1),
        (0.5, 1),
        ("100m", 1),
        ("1500m", 2),
        ("1e1", 10),
        (2.0, 2),
        ("3k", 3000),
        ("+2", 2),
        (".5", 1),
    ],
)
def test_processors_are_quantities(said: str | float, found: int) -> None:
    assert resources({"resource_requests": {"cpu": said}}) == Resources(found)
    assert resources({"resource_limits": {"cpu": said}}) == Resources(found)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("512Mi", 512 << 20),
        ("2G", 2_000_000_000),
        ("1.5Gi", 3 << 29),
        ("128974848", 128974848),
        ("2000k", 2_000_000),
        ("1024Ki", 1 << 20),
        ("1Ei", 1 << 60),
        ("1E", 10**18),
        ("1e9", 10**9),
        (1e9, 10**9),
        ("12E+6", 12_000_000),
        ("1500000000500m", 1_500_000_001),
    ],
)
def test_limits_are_resources(said: str | float, found: int) -> None:
    limits = {"memory": said, "gpu": {"type": "nvidia.com/gpu", "number": "2"}}
    assert resources({"resource_limits": limits}) == Resources(1, found, 2)
