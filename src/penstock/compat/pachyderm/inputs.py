"""The input of a Pachyderm pipeline, as a step of ours says it."""

from __future__ import annotations

from penstock.compat.pachyderm.fields import Message, says, snake
from penstock.model.spec import DEFAULT_BRANCH
from penstock.text import fields
from penstock.text.nodes import Node, made, scalar, sequence

#: The branch that Pachyderm means where none is named.
MASTER = "master"

_NODE = Message(
    frozenset({"pfs", "cross", "union", "join", "group", "cron"}),
    refused={"git": "commits of a Git server are no input here; put what they hold into a repo"},
)
_PFS = Message(
    frozenset(
        {"project", "name", "repo", "repo_type", "branch", "glob", "join_on", "outer_join", "group_by", "lazy"}
        | {"empty_files", "reference"}
    ),
    refused={
        "commit": "an input follows a branch, and cannot come from one commit",
        "s3": "there is no S3 gateway in front of a repo; read the files of the input",
        "trigger": "say it of the branch: `penstock branch trigger REPO@BRANCH --size 100MB`, and read that branch",
        "propagation_spec": "every new commit of an input opens a run; read a branch that you move by hand",
    },
)
_CRON = Message(
    frozenset({"project", "name", "spec", "overwrite"}),
    left_out={
        "repo": "the repo of its ticks is called STEP-NAME",
        "start": "the first tick is the next one after the pipeline is created",
    },
)


class Inputs:
    """Reads one pipeline's input. `repos` are those it reads, `branches` the places where it reads their `master`."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes
        self.branches: dict[str, Node] = {}
        self.repos: set[str] = set()

    def read(self, node: Node, what: str) -> Node:
        """The same input in our words, every value at its place. Raises BadSpec."""
        values = _NODE.read(node, what, self.notes)
        if len(values) != 1:
            node.fail(f"{what}: expected exactly one of {', '.join(sorted(_NODE.taken))}")
        (kind, value), *_ = values.items()
        if kind == "pfs":
            return self._files(value, f"{what}.pfs")
        if kind == "cron":
            return self._ticks(value, f"{what}.cron")
        parts = fields.items(value, f"{what}.{kind}", "inputs")
        return made({kind: sequence([self.read(part, f"{what}.{kind}") for part in parts], value)}, node)

    def _files(self, node: Node, what: str) -> Node:
        values = _PFS.read(node, what, self.notes)
        for key in ("repo", "glob"):
            if key not in values:
                node.fail(f"{what}: `{key}` is missing")
        check_project(values, what)
        fields.choice(values.get("repo_type", scalar("user", node)), f"{what}.repo_type", ("user",))
        repo = fields.name(values["repo"], f"{what}.repo")
        self.repos.add(repo)
        branch = values.get("branch", scalar(MASTER, values["repo"]))
        if fields.name(branch, f"{what}.branch") == MASTER:
            self.branches[repo] = branch
        renamed = "name" in values and values["name"].value != repo
        said = {
            "repo": values["repo"],
            "branch": branch if branch.value != DEFAULT_BRANCH else None,
            "glob": values["glob"],
            "as": values["name"] if renamed else None,
            "on": values.get("join_on"),
            "outer": values.get("outer_join"),
            "group": values.get("group_by"),
            "lazy": values.get("lazy"),
            "empty": values.get("empty_files"),
            "reference": values.get("reference"),
        }
        full = {key: value for key, value in said.items() if value is not None}
        if full.keys() <= {"repo", "branch", "glob"}:
            glob = fields.text(values["glob"], f"{what}.glob", "a glob")
            at = "" if branch.value == DEFAULT_BRANCH else f"@{branch.value}"
            return scalar(f"{repo}{at}:{glob}", values["glob"])
        return made(full, node)

    def _ticks(self, node: Node, what: str) -> Node:
        values = _CRON.read(node, what, self.notes)
        for key in ("name", "spec"):
            if key not in values:
                node.fail(f"{what}: `{key}` is missing")
        check_project(values, what)
        said = {"cron": values["spec"], "as": values["name"], "overwrite": values.get("overwrite")}
        return made({key: value for key, value in said.items() if value is not None}, node)


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
