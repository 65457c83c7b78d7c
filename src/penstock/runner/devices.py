"""The GPUs a process may use, as the variables name them that NVIDIA's and AMD's libraries read."""

from __future__ import annotations

from collections.abc import Sequence

#: Which devices a program may use; the first is read, all are told.
DEVICES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def device_names(visible: str) -> list[str]:
    """The devices that one of these variables names."""
    return [name.strip() for name in visible.split(",") if name.strip()]


def device_variables(given: Sequence[int], there: int, visible: str | None = None) -> dict[str, str]:
    """What an attempt is told of the devices it was given, of so many; `visible` are those the worker itself was given,
    by name. One that asked for none sees none, where there are any, or the worker itself sees none.

    >>> device_variables((0, 3), 4)["CUDA_VISIBLE_DEVICES"], device_variables((), 0)
    ('0,3', {})
    >>> device_variables((1,), 2, "4,7")["HIP_VISIBLE_DEVICES"], device_variables((), 2)["CUDA_VISIBLE_DEVICES"]
    ('7', '')
    """
    if not there and visible is None:
        return {}
    names = device_names(visible or "")
    chosen = [names[place] if place < len(names) else str(place) for place in given]
    return dict.fromkeys(DEVICES, ",".join(chosen))
