"""`pachctl`: importing this package gathers all its commands."""

from __future__ import annotations

from penstock.compat.pachyderm.commands import commits, datums, files, jobs, logs, pipelines, repos
from penstock.compat.pachyderm.commands.base import pachctl

__all__ = ["commits", "datums", "files", "jobs", "logs", "pachctl", "pipelines", "repos"]
