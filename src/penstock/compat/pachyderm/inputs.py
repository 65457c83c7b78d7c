"""The input of a Pachyderm pipeline, as a step of ours says it."""

from __future__ import annotations

from penstock.compat.pachyderm.fields import Message, number, says, snake
from penstock.model.spec import DEFAULT_BRANCH
from penstock.text import fields
from penstock.text.nodes import Node, made, scalar, sequence

#: The branch that Pachyderm means where none is named.
MASTER = "master"

_NODE = Message(
    frozenset({"pfs", "cross", "union", "join", "group", "cron"}),
    refused={
        "git": "commits of a Git server are no input here; put what they hold into a repo",
        "atom": "it is called `pfs` since Pachyderm 1.9, with the same fields",
    },
)
_PFS = Message(
    frozenset(
        {"project", "name", "repo", "repo_type", "branch", "glob", "join_on", "outer_join", "group_by", "lazy"}
        | {"empty_files", "reference", "trigger"}
    ),
    refused={
        "commit": "an input follows a branch, and cannot come from one commit",
        "s3": "there is no S3 gateway in front of a repo; read the files of the input",
        "propagation_spec": "every new commit of an input opens a run; read a branch that you move by hand",
    },
)
_TRIGGER = Message(
    frozenset({"branch", "size", "commits", "cron_spec", "all"}),
    refused={
        "rate_limit_spec": "it counts from the last time the branch moved, which no time of a clock says; "
        "`every` in a pipeline file is the nearest"
    },
)
_CRON = Message(
    frozenset({"project", "name", "repo", "spec", "overwrite"}),
    refused={
        "start": "the first tick is the next one after the pipeline is created, so ticks since an earlier time would "
        "be missing, and those before a later one too many"
    },
)


class Inputs:
    """Reads the input of the pipeline `name`. `repos` are those it reads, `branches` the places where it reads their
    `master`.
    """

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes
        self.branches: dict[str, Node] = {}
        self.repos: set[str] = set()

    def read(self, node: Node, what: str, on: bool = False, by: bool = False) -> Node:
        """The same input in our words, every value at its place. Raises BadSpec.

        `on`, `by`: whether a join or a group around it gives the empty key to what names none.
        """
        values = _NODE.read(node, what, self.notes)
        if len(values) != 1:
            node.fail(f"{what}: expected exactly one of {', '.join(sorted(_NODE.taken))}")
        (kind, value), *_ = values.items()
        if kind == "pfs":
            return self._files(value, f"{what}.pfs", on, by)
        if kind == "cron":
            return self._ticks(value, f"{what}.cron")
        parts = []
        for part in fields.items(value, f"{what}.{kind}", "inputs"):
            if kind in ("join", "group") and _has(part, "cron"):
                part.fail(f"{what}.{kind}: `cron` is refused here: ticks have no key; put them beside it, in a `cross`")
            keys = (
                (kind == "join" or on) and _lacks(part, "join_on"),
                (kind == "group" or by) and _lacks(part, "group_by"),
            )
            parts.append(self.read(part, f"{what}.{kind}", *keys))
        return made({kind: sequence(parts, value)}, node)

    def _files(self, node: Node, what: str, on: bool, by: bool) -> Node:
        values = _PFS.read(node, what, self.notes)
        for key, keyed in (("join_on", on), ("group_by", by)):
            if keyed and key not in values:
                values[key] = scalar("", node)
        for key in ("repo", "glob"):
            if key not in values:
                node.fail(f"{what}: `{key}` is missing")
        check_project(values, what)
        fields.choice(values.get("repo_type", scalar("user", node)), f"{what}.repo_type", ("user",))
        repo = fields.name(values["repo"], f"{what}.repo")
        self.repos.add(repo)
        trigger = self._trigger(values["trigger"], f"{what}.trigger", repo) if "trigger" in values else None
        branch = values.get("branch")
        if branch is None and trigger is None:
            branch = scalar(MASTER, values["repo"])
        if branch is not None and fields.name(branch, f"{what}.branch") == MASTER:
            self.branches[repo] = branch
        if branch is not None and branch.value == DEFAULT_BRANCH and trigger is None:
            branch = None
        renamed = "name" in values and values["name"].value != repo
        said = {
            "repo": values["repo"],
            "branch": branch,
            "glob": values["glob"],
            "as": values["name"] if renamed else None,
            "on": values.get("join_on"),
            "outer": values.get("outer_join"),
            "group": values.get("group_by"),
            "lazy": values.get("lazy"),
            "empty": values.get("empty_files"),
            "reference": values.get("reference"),
            "trigger": trigger,
        }
        full = {key: value for key, value in said.items() if value is not None}
        if full.keys() <= {"repo", "branch", "glob"}:
            glob = fields.text(values["glob"], f"{what}.glob", "a glob")
            at = "" if branch is None else f"@{branch.value}"
            return scalar(f"{repo}{at}:{glob}", values["glob"])
        return made(full, node)

    def _trigger(self, node: Node, what: str, repo: str) -> Node:
        """When the branch that is read moves to the one that people write to."""
        values = _TRIGGER.read(node, what, self.notes)
        if "cron_spec" in values and len(values.keys() - {"branch"}) > 1:
            values["cron_spec"].fail(f"{what}: `cron_spec` stands alone: where it is given, nothing else counts")
        watched = values.get("branch", scalar(MASTER, node))
        if fields.name(watched, f"{what}.branch") == MASTER:
            self.branches[repo] = watched
        both = "all" in values and fields.boolean(values["all"], f"{what}.all")
        said = {
            "branch": watched,
            "size": values.get("size"),
            "commits": number(values["commits"]) if "commits" in values else None,
            "cron": values.get("cron_spec"),
            "needs": scalar("all", values["all"]) if both else None,
        }
        return made({key: value for key, value in said.items() if value is not None}, node)

    def _ticks(self, node: Node, what: str) -> Node:
        values = _CRON.read(node, what, self.notes)
        for key in ("name", "spec"):
            if key not in values:
                node.fail(f"{what}: `{key}` is missing")
        check_project(values, what)
        if "repo" in values and values["repo"].value not in (
            f"{self.name}-{values['name'].value}",
            f"{self.name}_{values['name'].value}",  # as Pachyderm calls it, and writes down, where nobody says anything
        ):
            message = f'the repo of its ticks is called "{self.name}-{values["name"].value}"; read it by this name'
            values["repo"].fail(f"{what}: `repo` is refused: {message}")
        said = {"cron": values["spec"], "as": values["name"], "overwrite": values.get("overwrite")}
        return made({key: value for key, value in said.items() if value is not None}, node)


def _has(node: Node, key: str) -> bool:
    return isinstance(node.value, dict) and any(snake(name) == key for name in node.value)


def _lacks(part: Node, key: str) -> bool:
    """Whether what names no key in a part gets the empty one: in one of several inputs for a task, a key that one of
    them names is that of all.
    """
    return _has(part, "pfs") or _has(part, "union") or not _names(part, key)


def _names(node: Node, key: str) -> bool:
    """Whether an input, or one inside it, has a field with something in it."""
    if isinstance(node.value, list):
        return any(_names(item, key) for item in node.value)
    values = node.value if isinstance(node.value, dict) else {}
    return any((snake(name) == key and says(value)) or _names(value, key) for name, value in values.items())


def check_project(values: dict[str, Node], what: str) -> None:
    """A project here is a directory: a spec can only mean the one it is used in. Raises BadSpec for another one."""
    node = values.get("project")
    if node is None:
        return
    name = node
    if isinstance(node.value, dict):
        name = next((value for key, value in node.value.items() if snake(key) == "name"), node)
    if says(name) and name.value != "default":
        node.fail(f"{what}: `project` is refused: a project here is a directory; use the spec in that one")
