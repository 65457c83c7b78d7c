"""`penstock data`: all bytes of a project."""

from __future__ import annotations

from penstock.cli.lazy import noun
from penstock.cli.options import json_option, project

data = noun("data", "All bytes of a project.")


@data.command("usage")
@json_option
def usage(as_json: bool) -> None:
    """Show what takes how much room.

    Bytes on disk: of each repo what is stored for it alone, of what it shares with others, and all else. They add up
    to what `.penstock` takes.
    """
    from penstock.cli.output import show_json, show_table, talk
    from penstock.service.keeping.usage import usage as measure
    from penstock.text.units import show_size

    with project() as parts:
        found = measure(parts)
    if as_json:
        show_json(found)
        return
    rows: list[tuple[object, ...]] = [
        (f"repo {item.repo}", item.commits, item.files, show_size(item.size), show_size(item.alone))
        for item in found.repos
    ]
    rows += [(name, "", "", "", show_size(size)) for name, size in found.others.items() if size]
    rows.append(("total", "", "", "", show_size(found.total)))
    show_table(("WHAT", "COMMITS", "FILES", "SIZE", "STORED"), rows, right=("COMMITS", "FILES", "SIZE", "STORED"))
    talk(f"penstock gc would free {show_size(found.freed_now)} now, {show_size(found.freed_later)} after its grace")
