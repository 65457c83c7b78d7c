"""`penstock data`: user data, and all bytes of a project."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from penstock.cli.lazy import noun
from penstock.cli.options import json_option, page_options, pipeline_option, project

if TYPE_CHECKING:
    from penstock.service.userdata.files import TaskData

data = noun("data", "User data: small JSON documents of a pipeline or a step. And all bytes of a project.")
_MANY = 100


@data.command("add")
@click.argument("values", metavar="VALUE...", nargs=-1, required=True)
@pipeline_option
@click.option("--step", metavar="STEP", help="It hangs on this step, whose tasks are given it.")
@click.option("--name", default="", metavar="NAME", help="What it is called; a pipeline has a name once.")
@click.option("--ephemeral", is_flag=True, help="It is emptied at each start of the pipeline.")
@json_option
def add_data(
    values: tuple[str, ...], of: str | None, step: str | None, name: str, ephemeral: bool, as_json: bool
) -> None:
    """Make a document of each VALUE: JSON5, or - for standard input."""
    from penstock.cli.output import show_json, talk
    from penstock.service.answers.views import document_view
    from penstock.service.userdata import documents

    read = [_value(text) for text in values]
    here = _task()
    if here is not None:
        if of or step or name or ephemeral:
            raise click.UsageError("a task adds to its own step, without a name")
        show_json([here.add(value) for value in read])
        return
    with project() as parts:
        made = documents.add(parts, read, pipeline=of, step=step, name=name, ephemeral=ephemeral)
    if as_json:
        show_json({"documents": [document_view(item) for item in made]})
        return
    for item in made:
        talk(f"added user data {item.seq}" + (f" ({item.name})" if item.name else ""))


@data.command("list")
@pipeline_option
@click.option("--step", metavar="STEP", help="Only what hangs on this step.")
@page_options(_MANY)
@json_option
def list_data(of: str | None, step: str | None, limit: int, after: str | None, as_json: bool) -> None:
    """List user data of a pipeline and its steps; in a task, what it was given and what it wrote."""
    from penstock.cli.output import show_json, show_table, talk, when
    from penstock.service.answers import lists

    here = _task()
    if here is not None:
        found = [(name, here.get(name)) for name in here.names()]
        if as_json:
            show_json({"documents": [{"name": name, "value": value} for name, value in found], "next": None})
        else:
            show_table(("NAME", "VALUE"), [(name, _short(value)) for name, value in found])
        return
    with project() as parts:
        page = lists.documents(parts, of, step, limit, after)
    if as_json:
        show_json({"documents": page.items, "next": page.next})
        return
    heads = ("KEY", "NAME", "STEP", "REVISION", "RUN", "UPDATED", "VALUE")
    rows = [(d.key, d.name, d.step, d.revision, d.run, when(d.updated), _short(d.value)) for d in page.items]
    show_table(heads, rows, right=("KEY", "REVISION", "RUN"))
    if page.next:
        talk(f"more: --after {page.next}")


@data.command("get")
@click.argument("which", metavar="NAME|KEY")
@pipeline_option
@json_option
def get_data(which: str, of: str | None, as_json: bool) -> None:
    """Print the value of a document; with --json all that is known of it. In a task: as the task sees it."""
    from penstock.cli.output import show_json
    from penstock.service.answers.views import document_view
    from penstock.service.userdata import documents

    here = _task()
    if here is not None:
        value = here.get(which)
        show_json({"name": which, "value": value} if as_json else value)
        return
    with project() as parts:
        view = document_view(documents.find(parts, which, of))
    show_json(view if as_json else view.value)


@data.command("set")
@click.argument("which", metavar="NAME|KEY")
@click.argument("value", metavar="VALUE")
@pipeline_option
@json_option
def set_data(which: str, value: str, of: str | None, as_json: bool) -> None:
    """Give a document a new VALUE: JSON5, or - for standard input. In a task: leave it for when the task ends."""
    from penstock.cli.output import show_json, talk
    from penstock.service.answers.views import document_view
    from penstock.service.userdata import documents

    read = _value(value)
    here = _task()
    if here is not None:
        here.put(which, read)
        if as_json:
            show_json({"name": which, "value": read})
        return
    with project() as parts:
        view = document_view(documents.put(parts, which, read, of))
    if as_json:
        show_json(view)
    else:
        talk(f"user data {which} is at revision {view.revision}")


@data.command("delete")
@click.argument("which", metavar="NAME|KEY...", nargs=-1, required=True)
@pipeline_option
@json_option
def delete_data(which: tuple[str, ...], of: str | None, as_json: bool) -> None:
    """Take documents away."""
    from penstock.cli.output import show_json, talk
    from penstock.model.errors import Refused
    from penstock.service.userdata import documents

    if _task() is not None:
        raise Refused("a task cannot take user data away; give it another value with `penstock data set`")
    with project() as parts:
        gone = documents.delete(parts, which, of)
    if as_json:
        show_json({"deleted": [str(item.seq) for item in gone]})
        return
    for item in gone:
        talk(f"deleted user data {item.name or item.seq}")


def _task() -> TaskData | None:
    """Where the user data of this task is, if this is one."""
    from penstock.service.userdata.files import of_task

    return of_task(os.environ)


def _value(text: str) -> Any:
    from penstock.text.marked import read_marked

    if text == "-":
        return read_marked(sys.stdin.buffer.read(), "stdin", json=True).plain()
    return read_marked(text, "VALUE", json=True).plain()


def _short(value: Any) -> str:
    """A value in a table."""
    import json

    text = json.dumps(value, ensure_ascii=False) if value is not None else ""
    return text if len(text) <= 60 else text[:59] + "…"


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
