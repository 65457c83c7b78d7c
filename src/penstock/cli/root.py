"""`penstock`: the table of all commands."""

from __future__ import annotations

import os

import click

from penstock.cli.lazy import LazyGroup

_SECTIONS = {
    "Begin": {
        "init": ("verbs.start:init", "Make a directory a project."),
        "new": ("verbs.start:new", "Make a project with a working example in it."),
    },
    "Data": {
        "put": ("verbs.write:put", "Store files and directories in one commit."),
        "get": ("verbs.read:get", "Write a file, or a directory's contents, to a new place."),
        "ls": ("verbs.read:ls", "List files."),
        "cat": ("verbs.read:cat", "Print a file."),
        "rm": ("verbs.write:rm", "Delete files in one commit."),
        "cp": ("verbs.copy:cp", "Copy files from one commit to another one, by reference."),
        "find": ("verbs.find:find", "Show which commits touched a path."),
        "purge": ("verbs.purge:purge", "Take a path out of all history and results."),
        "log": ("verbs.history:log", "Show the commits of a branch."),
        "diff": ("verbs.history:diff", "Show which files differ between two commits."),
    },
    "Work": {
        "run": ("verbs.run:run", "Apply the pipeline file and run what changed."),
        "plan": ("verbs.plan:plan", "Say what a run would do, and why; change nothing."),
        "wait": ("verbs.wait:wait", "See runs through to their end."),
        "status": ("verbs.status:status", "Show the project at a glance."),
        "logs": ("verbs.logs:logs", "Show what tasks printed."),
        "stop": ("verbs.control:stop", "End a run, a job or a task."),
        "hold": ("verbs.control:hold", "Let a run, a job or a task start nothing more."),
        "release": ("verbs.control:release", "Let what is held go on."),
        "restart": ("verbs.restart:restart", "Run what failed or changed, and keep the rest."),
        "retry": ("verbs.control:retry", "Run again what failed in a run or a job."),
    },
    "Why": {
        "graph": ("verbs.graph:graph", "Show which step reads what, and waits for whom."),
        "explain": ("verbs.why:explain", "Say why something waits, ran, was reused or failed."),
        "trace": ("verbs.why:trace", "Follow a file back to what it was made of."),
        "report": ("verbs.report:report", "Compare what steps asked for with what they used."),
        "verify": ("verbs.why:verify", "Run some of a job's tasks again, aside, and compare the bytes."),
    },
    "Keeping": {
        "gc": ("verbs.gc:gc", "Delete what nothing needs any more."),
        "fsck": ("verbs.fsck:fsck", "Look for damage."),
        "worker": ("verbs.worker:worker", "Work for the engine of this project, on the node of a site."),
        "data": ("nouns.data:data", "User data: list add get set delete; all that is stored: usage."),
    },
    "Other systems": {
        "import": ("faces:import_", "Translate the definitions of another system."),
        "pachctl": ("faces:pachctl", "Pachyderm's commands on this project."),
        "torc": ("faces:torc", "Torc's commands on this project."),
    },
    "Nouns": {
        "repo": ("nouns.repo:repo", "Versioned data: list show create delete."),
        "branch": ("nouns.branch:branch", "Names of commits: list show create merge trigger delete."),
        "file": ("nouns.file:file", "What commits hold: list show."),
        "commit": ("nouns.commit:commit", "States of a repo: list show create start finish abandon squash drop."),
        "pipeline": ("nouns.pipeline:pipeline", "Graphs of steps: list show create delete disable enable."),
        "site": ("nouns.site:site", "Where steps run, beside this machine: list show."),
        "job": ("nouns.job:job", "Steps of a run: list show. (`run list`, `run show`, `run delete`: runs.)"),
        "task": ("nouns.task:task", "Bindings of a job: list show."),
    },
}


def _go_to(ctx: click.Context, param: click.Parameter, directory: str | None) -> None:
    if directory is not None:
        os.chdir(directory)


def _version(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from penstock import __version__

        click.echo(f"penstock {__version__}")
        ctx.exit()


cli = LazyGroup(
    "penstock",
    "Versioned data in, pipelines of plain commands, only what changed runs.",
    _SECTIONS,
    faces={"run": (frozenset({"list", "show", "delete"}), "nouns.run:run")},
    params=[
        click.Option(
            ["-C"], metavar="DIR", is_eager=True, expose_value=False, callback=_go_to, help="Work as if started in DIR."
        ),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Show the version and leave.",
        ),
    ],
)
