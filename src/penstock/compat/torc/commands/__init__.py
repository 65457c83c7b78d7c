"""`torc`: importing this package gathers all its commands."""

from __future__ import annotations

from penstock.compat.torc.commands import hpc, jobs, records, user_data, workflows
from penstock.compat.torc.commands.base import torc

__all__ = ["hpc", "jobs", "records", "torc", "user_data", "workflows"]
