"""Commands in containers, by the command lines of Podman or Docker: which there is, which image, how to end one.

A container is started by a client of the engine, which is a process like any other; killing the client leaves the
container, so each carries labels by which it is found and removed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache

from msgspec import Struct

from penstock.model.errors import PenstockError
from penstock.runner.base import Launch

#: The engine to use, when it is not the first that answers.
CHOICE = "PENSTOCK_CONTAINERS"
_ENGINES = ("podman", "docker")
#: Variables by which a container is found, as labels.
_MARKS = {
    "PENSTOCK_PROJECT": "penstock.project",
    "PENSTOCK_WORKER": "penstock.worker",
    "PENSTOCK_ATTEMPT": "penstock.attempt",
}
#: Seconds that an engine gets to answer, and a registry to give an image.
_ANSWER, _PULL = 20.0, 1800.0


class Mount(Struct, frozen=True):
    """A directory or file of this machine that a container sees."""

    source: str
    target: str
    writable: bool = False


@cache
def engine() -> str:
    """The path of the first engine that answers. Raises PenstockError naming what was tried."""
    chosen = os.environ.get(CHOICE)
    tried = []
    for name in (chosen,) if chosen else _ENGINES:
        program = shutil.which(name)
        if program is None:
            tried.append(f"{name} is not installed")
            continue
        try:
            _ask(program, "ps", "--quiet")
            return program
        except PenstockError as error:
            tried.append(str(error))
    raise PenstockError(
        f"no container engine answers here ({'; '.join(tried)}); start one, or use `penstock run --env inherit`"
    )


def image_id(name: str) -> str:
    """The id of an image, which names its content; it is pulled if it is not on this machine. Raises PenstockError."""
    program = engine()
    try:
        found = _ask(program, "image", "inspect", "--format", "{{.Id}}", "--", name)
    except PenstockError:
        _ask(program, "pull", "--quiet", "--", name, seconds=_PULL)
        found = _ask(program, "image", "inspect", "--format", "{{.Id}}", "--", name)
    return "sha256:" + found.strip().removeprefix("sha256:")


def inside(
    program: str,
    image: str,
    launch: Launch,
    vars: Mapping[str, str],
    mounts: Sequence[Mount],
    reads: bool,
    memory: int = 0,
) -> tuple[str, ...]:
    """The argv that runs a launch in a container. Of its environment the container gets `vars` and PENSTOCK_…; it has
    the network, user and group of who starts it, and nothing of this machine but the mounts. With `reads` it gets the
    standard input. With `memory` it is killed for more bytes than that.
    """
    words = [program, "run", "--rm", "--network", "host", "--pull", "never", "--user", f"{os.getuid()}:{os.getgid()}"]
    if os.getuid() and os.path.basename(program) == "podman":
        words += ["--userns", "keep-id"]
    words += ["--memory", str(memory)] if memory else []
    words += ["--interactive"] if reads else []
    words += ["--workdir", launch.cwd] if launch.cwd else []
    for name, label in _MARKS.items():
        if name in launch.env:
            words += ["--label", f"{label}={launch.env[name]}"]
    for name in sorted(launch.env):
        words += ["--env", name] if name.startswith("PENSTOCK_") else []
    for name, value in sorted(vars.items()):
        words += ["--env", f"{name}={value}"]
    for mount in mounts:
        options = ["type=bind", f"src={mount.source}", f"dst={mount.target}", *([] if mount.writable else ["ro"])]
        words += ["--mount", ",".join(map(_field, options))]
    first, *rest = launch.argv
    return (*words, "--entrypoint", first, image, *rest)


def _field(text: str) -> str:
    """One field of comma-separated values."""
    return '"' + text.replace('"', '""') + '"' if "," in text or '"' in text else text


def end_containers(program: str, marks: Mapping[str, str]) -> int:
    """Kill and remove every container that was started with these variables; how many there were.

    Raises PenstockError if they do not go.
    """
    labels = [f"label={_MARKS[name]}={value}" for name, value in marks.items()]
    found = _ask(program, "ps", "--all", "--quiet", *(word for label in labels for word in ("--filter", label))).split()
    if found:
        _ask(program, "rm", "--force", *found)
    return len(found)


def _ask(program: str, *words: str, seconds: float = _ANSWER) -> str:
    name = os.path.basename(program)
    try:
        done = subprocess.run(
            (program, *words), stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise PenstockError(f"{name} {words[0]} does not answer within {seconds:g} s") from None
    except OSError as error:
        raise PenstockError(f"{name} cannot be started: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().split("\n")[-1]
        raise PenstockError(f"{name} {words[0]}: {said or f'exit code {done.returncode}'}")
    return done.stdout.decode(errors="replace")
