"""The named queries of `sql/queries.sql`: `-- name: NAME`, a sentence, then the statement."""

from __future__ import annotations

from functools import cache
from pathlib import Path

SQL = Path(__file__).parent / "sql"


@cache
def queries(file: str = "queries.sql") -> dict[str, str]:
    """Every query of a file by its name, as written."""
    found: dict[str, str] = {}
    for block in (SQL / file).read_text().split("-- name: ")[1:]:
        name, _, text = block.partition("\n")
        found[name.strip()] = text.strip().removesuffix(";")
    return found


def migrations() -> list[tuple[int, Path]]:
    """The numbered migrations, oldest first."""
    return sorted((int(path.stem), path) for path in SQL.glob("[0-9]*.sql"))
