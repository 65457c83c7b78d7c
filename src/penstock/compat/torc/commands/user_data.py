"""`user-data add|list|get|delete|delete-all`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from penstock.compat.torc.commands.base import USER_DATA, Root, project, read_objects, task_data

if TYPE_CHECKING:
    from penstock.service.parts import Parts


@USER_DATA.command("add")
@click.argument("objects", metavar="DATA...", nargs=-1, required=True)
@click.pass_obj
def add(root: Root, objects: tuple[str, ...]) -> None:
    """Make a document of the workflow of each JSON5 object DATA; - is standard input."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import as_json, log
    from penstock.model.errors import Refused
    from penstock.service.userdata import documents as userdata

    values = read_objects(objects)
    if task_data() is not None:
        raise Refused("a task adds user data to its own job: `torc jobs add-user-data $TORC_JOB_KEY DATA`")
    with project() as parts:
        made = userdata.add(parts, values, pipeline=workflow(parts, root.key).name)
    if root.form == "json":
        print(as_json({"keys": [str(item.seq) for item in made]}))
        return
    for item in made:
        log("add", f"Added user_data key={item.seq}")


@USER_DATA.command("list")
@click.pass_obj
def list_(root: Root) -> None:
    """Print all documents of the workflow and its jobs; in a task, what it was given and what it wrote."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import as_json, document
    from penstock.model.documents import read_body
    from penstock.service.userdata import documents as userdata

    here = task_data()
    if here is not None:
        print(as_json([document(name, 0, here.get(name)) for name in here.names()]))
        return
    with project() as parts:
        found = userdata.every(parts, workflow(parts, root.key).name, None)
        print(as_json([document(str(item.seq), item.revision, read_body(item.body)) for item in found]))


@USER_DATA.command("get")
@click.argument("key", metavar="KEY")
@click.pass_obj
def get(root: Root, key: str) -> None:
    """Print a document."""
    from penstock.compat.torc.keys import workflow
    from penstock.compat.torc.show import as_json, document, mapping
    from penstock.model.documents import KEY, read_body
    from penstock.service.userdata import documents as userdata

    here = task_data()
    if here is not None:
        found = document(key, 0, here.get(key))
    else:
        with project() as parts:
            within = None if KEY.fullmatch(key) else workflow(parts, root.key).name
            item = userdata.find(parts, key, within)
            found = document(str(item.seq), item.revision, read_body(item.body))
    print(as_json(found) if root.form == "json" else mapping(found))


@USER_DATA.command("delete")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.pass_obj
def delete(root: Root, keys: tuple[str, ...]) -> None:
    """Take documents away."""
    from penstock.compat.torc.keys import workflow
    from penstock.model.documents import KEY

    with project() as parts:
        within = None if all(map(KEY.fullmatch, keys)) else workflow(parts, root.key).name
        _delete(parts, root, keys, within)


@USER_DATA.command("delete-all")
@click.pass_obj
def delete_all(root: Root) -> None:
    """Take away all documents of the workflow and its jobs."""
    from penstock.compat.torc.keys import workflow
    from penstock.service.userdata.documents import every

    with project() as parts:
        name = workflow(parts, root.key).name
        _delete(parts, root, tuple(str(item.seq) for item in every(parts, name, None)), name)


def _delete(parts: Parts, root: Root, keys: tuple[str, ...], within: str | None) -> None:
    from penstock.compat.torc.show import as_json, log
    from penstock.model.errors import Refused
    from penstock.service.userdata import documents as userdata

    if task_data() is not None:
        raise Refused("a task cannot take user data away")
    gone = userdata.delete(parts, keys, within)
    if root.form == "json":
        print(as_json({"keys": [str(item.seq) for item in gone]}))
        return
    for item in gone:
        log("delete", f"Deleted user_data={item.seq}")
