"""Words of other tools for what is here under another name: one sentence each, so that nobody has to guess."""

from __future__ import annotations

_DATA = "`penstock get` copies data out of the project, `penstock init --objects s3://BUCKET/PREFIX` keeps it on S3"
_STATUS = "`penstock status` shows what runs, `penstock run list` what ran"
_AGAIN = "`penstock restart` does what failed or changed and keeps the rest, `penstock retry` what failed in a run"
_TRIALS = (
    "`penstock run -p NAME=VALUE` tries a value, `each` in the pipeline file many; `penstock run list` shows the runs"
)
_PLAN = "`penstock plan` says what would run, and why"
_GRAPH = "`penstock graph` shows the steps"

#: Commands of other tools.
COMMANDS = {
    "add": "`penstock put REPO FILE` stores data",
    "cancel": "`penstock stop` ends a run, a job or a task",
    "checkout": "`penstock get REPO@COMMIT DIR` writes the files of a commit",
    "clean": "`penstock gc` deletes what nothing needs",
    "create": "`penstock init` makes a project, `penstock pipeline create` applies a file without running it",
    "dag": _GRAPH,
    "delete": "`penstock rm REPO:/PATH` deletes files, `penstock repo delete` a repo, and so on for each noun",
    "dry-run": _PLAN,
    "exp": _TRIALS,
    "export": "`penstock get REPO DIR` copies results out; `export` of a step does so at each run",
    "fetch": _DATA,
    "history": "`penstock log REPO` shows commits, `penstock run list` runs",
    "jobs": _STATUS,
    "kill": "`penstock stop` ends a run, a job or a task",
    "list": "each noun has one: `penstock run list`, `penstock repo list`",
    "make": "`penstock run` runs what changed",
    "metrics": "`penstock cat REPO:/FILE` prints a result, `penstock diff REPO@RUN REPO --content` compares two",
    "params": "`penstock run show RUN` shows the parameters of a run",
    "ps": _STATUS,
    "pull": _DATA,
    "push": _DATA,
    "queue": _STATUS,
    "repro": "`penstock run` runs what changed",
    "rerun": _AGAIN,
    "resume": "`penstock run` goes on with a run that was interrupted; " + _AGAIN,
    "show": "each noun has one: `penstock run show`, `penstock job show`",
    "start": "`penstock run` runs what changed",
    "submit": "`penstock run --detach` leaves a run to the background; docs/sites.md has batch systems",
    "tree": "`penstock ls -r REPO` lists files; " + _GRAPH,
    "viz": _GRAPH,
}

_PART = "a part of a pipeline is run by leaving steps out: `penstock pipeline disable STEP`"
_CPUS = "`-j N` uses at most N processors of this machine"
_CLUSTER = "a `site` of the pipeline file says where steps run; `--site NAME` takes another one"

#: Options of other tools, by the command they were given to.
OPTIONS = {
    "run": {
        "-n": _PLAN,
        "--dry-run": _PLAN,
        "--dryrun": _PLAN,
        "--until": _PART,
        "--upto": _PART,
        "--only": _PART,
        "--targets": _PART,
        "-k": "what does not need a failed step goes on without being asked",
        "--keep-going": "what does not need a failed step goes on without being asked",
        "-S": "`-p NAME=VALUE` sets a parameter",
        "--config": "`-p NAME=VALUE` sets a parameter",
        "--set-param": "`-p NAME=VALUE` sets a parameter",
        "--snakefile": "name the file alone: `penstock run FILE`",
        "--file": "name the file alone: `penstock run FILE`",
        "--cores": _CPUS,
        "--jobs": _CPUS,
        "--cluster": _CLUSTER,
        "--profile": _CLUSTER,
        "--executor": _CLUSTER,
        "--rerun-incomplete": "work that did not end runs again without being asked",
        "--dag": _GRAPH,
        "--report": "`penstock report` compares what steps asked for with what they used",
    },
    "plan": {"-n": "`plan` never runs anything", "--dag": _GRAPH},
    "restart": {"-n": "`--dry-run` says what would run, and why"},
}


def pointer(command: str, option: str | None = None) -> str | None:
    """What to say to a command that is none, or to an option that a command has not; None: nothing is known of it.

    >>> pointer("dag"), pointer("run", "--nothing")
    ('`penstock graph` shows the steps', None)
    """
    return COMMANDS.get(command) if option is None else OPTIONS.get(command, {}).get(option)
