"""What all translations of foreign definitions end with: a pipeline file, or its text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.model.errors import AlreadyExists
from penstock.text.written import write_yaml


def write_out(said: dict[str, Any], output: Path | None, *, force: bool, as_json: bool, message: str) -> None:
    """Print a definition in our words, or write it into a file, which must not be there yet unless forced."""
    document = json.dumps(said, ensure_ascii=False)
    if output is None:
        print(document if as_json else write_yaml(said), end="\n" if as_json else "")
        return
    if output.exists() and not force:
        raise AlreadyExists(f"{output}: exists already; name another file, or use --force")
    output.write_text(write_yaml(said))
    print(document if as_json else message)
