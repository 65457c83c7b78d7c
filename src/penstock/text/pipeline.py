"""The pipeline file: reading what people write.

Its parts: `fields` (types and keys), `inputs`, `steps`, and `graph` (what holds between steps). Whatever is wrong is
one BadSpec at the place to change.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from msgspec.structs import replace

from penstock.model.errors import BadSpec
from penstock.model.spec import DEFAULT_BRANCH, Keep, Pipeline, RepoSpec, ResourceSet
from penstock.text import fields
from penstock.text.exports import check_exports
from penstock.text.graph import check_graph
from penstock.text.inplace import below
from penstock.text.lines import Open, with_lines
from penstock.text.marked import read_marked
from penstock.text.nodes import Node
from penstock.text.resources import read_sets
from penstock.text.sites import check_sites, read_sites
from penstock.text.steps import read_fail, read_step
from penstock.text.userdata import read_data

#: The largest number of commits that a rule may name.
MAX_COMMITS = 1_000_000_000
#: In which order tasks are packed: what is hardest to place first, or the oldest.
SORTS = ("gpus_runtime_memory", "gpus_memory_runtime", "none")
_KEYS = (
    *("pipeline", "description", "params", "repos", "steps", "fail", "backlog", "resource_sets", "sort", "data"),
    "sites",
)
_LATER = frozenset({"params_schema", "services", "env", "schedule", "keep"})


def read_pipeline(
    text: str | bytes,
    file: str,
    *,
    known_repos: Collection[str],
    has_file: Callable[[str], bool],
    default_name: str,
    root: str | None = None,
    lines: Open | None = None,
) -> Pipeline:
    """Read a pipeline file; JSON5 if `file` ends in `.json` or `.json5`, else YAML 1.2.

    `known_repos` exist already, `has_file` says whether the project has a file of that relative path, `default_name`
    names a pipeline that does not name itself, `root` is the project's directory; without one, absolute paths stay so.
    `lines` reads files of the project whose lines are values.
    Raises BadSpec, and nothing else, for whatever the text may hold.
    """
    tree = read_marked(text, file)
    if lines is not None:
        tree = with_lines(tree, lines)
    return pipeline_of(tree, known_repos=known_repos, has_file=has_file, default_name=default_name, root=root)


def pipeline_of(
    tree: Node,
    *,
    known_repos: Collection[str],
    has_file: Callable[[str], bool],
    default_name: str,
    root: str | None = None,
) -> Pipeline:
    """The same from a tree that is read already, or was made from a file that says it in other words."""
    what = "the pipeline"
    values = fields.keys_of(tree, what, _KEYS, _LATER)
    if "steps" not in values:
        tree.fail(f"{what}: `steps` is missing; expected a mapping from a step's name to the step")
    name = fields.name(values["pipeline"], "pipeline") if "pipeline" in values else default_name
    if not fields.is_name(name):
        tree.fail(f'{what}: "{name}" cannot be its name; give it one, such as pipeline: work')
    params = fields.params(values["params"], "params") if "params" in values else {}
    repos = _repos(values["repos"], root) if "repos" in values else {}
    shared = (values["params"].keys or {}) if params else {}
    nodes = fields.mapping(values["steps"], "steps")
    if not nodes:
        values["steps"].fail("steps: expected at least one step")
    keys = values["steps"].keys or {}
    fail = read_fail(values["fail"], "fail") if "fail" in values else "finish"
    sets = read_sets(values["resource_sets"], "resource_sets") if "resource_sets" in values else {}
    steps = {key: read_step(keys[key], node, shared, has_file, fail, sets, params) for key, node in nodes.items()}
    if root is not None:
        steps = {name: below(step, root) for name, step in steps.items()}
    sites = read_sites(values["sites"], "sites") if "sites" in values else {}
    check_sites(steps, nodes, sites)
    check_graph(steps, nodes, repos, known_repos)
    check_exports(steps, repos)
    description = fields.text(values["description"], "description") if "description" in values else ""
    backlog = fields.choice(values["backlog"], "backlog", ("each", "latest")) if "backlog" in values else "each"
    data = read_data(values["data"]) if "data" in values else {}
    sort = fields.choice(values["sort"], "sort", SORTS) if "sort" in values else SORTS[0]
    return Pipeline(
        name,
        tuple(steps.values()),
        description,
        params,
        tuple(repos.values()),
        backlog=cast(Any, backlog),
        data=tuple(data.values()),
        sites=tuple(sites.values()),
        resource_sets=tuple(ResourceSet(key, value) for key, value in sets.items()),
        sort=cast(Any, sort),
    )


def _repos(node: Node, root: str | None) -> dict[str, RepoSpec]:
    repos: dict[str, RepoSpec] = {}
    linked: dict[str, RepoSpec] = {}
    values = fields.mapping(node, "repos")
    for key in (node.keys or {}).values():
        name = fields.name(key, "repos")
        repo = repos[name] = _repo(values[name], f'repo "{name}"', name, key.where, root)
        if repo.path is None:
            continue
        other = linked.setdefault(repo.path, repo)
        if other is not repo:
            message = f'repo "{name}": the directory "{repo.path}" is linked to "{other.name}" at {other.where}'
            raise BadSpec(message, values[name].value["path"].where)
    return repos


def _repo(node: Node, what: str, name: str, where: str, root: str | None) -> RepoSpec:
    if node.value is None:
        return RepoSpec(name, where=where)
    values = fields.keys_of(node, what, ("path", "keep", "branch", "follow"))
    keep = _keep(values["keep"], f"{what}: keep") if "keep" in values else None
    branch = fields.name(values["branch"], f"{what}: branch") if "branch" in values else DEFAULT_BRANCH
    follow = fields.boolean(values["follow"], f"{what}: follow") if "follow" in values else False
    if follow and "path" not in values:
        values["follow"].fail(f"{what}: follow: goes with `path`")
    return RepoSpec(name, _path(values, what, root), keep, branch, follow, where)


def _keep(node: Node, what: str) -> Keep:
    values = fields.keys_of(node, what, ("commits", "for"))
    if not values:
        node.fail(f"{what}: expected `commits`, how many of each branch, or `for`, how long, or both")
    commits = fields.whole(values["commits"], f"{what}.commits", 1, MAX_COMMITS) if "commits" in values else None
    return Keep(commits, fields.seconds(values["for"], f"{what}.for") if "for" in values else None)


def _path(values: Mapping[str, Node], what: str, root: str | None) -> str | None:
    """A directory below the project as its path in it; another one as it is named: absolute, or from `..` on."""
    if "path" not in values:
        return None
    node = values["path"]
    value = fields.text(node, f"{what}: path", "a path")
    path = posixpath.normpath(value) if value else value
    if root is not None and path.startswith("/") and f"{path}/".startswith(f"{root}/"):
        path = posixpath.relpath(path, root)
    if path == ".." or path.startswith(("/", "../")):
        return path
    path = fields.directory(replace(node, value=path), f"{what}: path")
    if path == ".":
        values["path"].fail(f"{what}: path: the project itself cannot be linked; name a directory in it")
    return path
