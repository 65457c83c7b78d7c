"""The commands of other systems, and the translation of their definitions."""

from __future__ import annotations

from penstock.cli.lazy import noun
from penstock.compat.pachyderm.commands import pachctl
from penstock.compat.pachyderm.commands.importing import import_pachyderm
from penstock.compat.torc.commands import torc
from penstock.compat.torc.commands.importing import import_torc

__all__ = ["import_", "pachctl", "torc"]

import_ = noun("import", "Translate the definitions of another system.")
import_.add_command(import_pachyderm)
import_.add_command(import_torc)
