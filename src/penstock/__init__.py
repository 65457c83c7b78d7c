"""Penstock: one job system for data, ML and HPC work.

    from penstock import Project, task

`Project` is a project on this machine (see `penstock.service.project`); `task` is what a command sees of itself while
Penstock runs it (see `penstock.task`). Both load at first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock import task
    from penstock.service.project import Project

__version__ = "0.1.0"
__all__ = ["Project", "__version__", "task"]


def __getattr__(name: str) -> Any:
    if name == "Project":
        from penstock.service.project import Project

        return Project
    if name == "task":
        import importlib

        return importlib.import_module("penstock.task")
    raise AttributeError(f"module 'penstock' has no attribute {name!r}")
