"""How the command of an attempt is started: where, with which environment, as whom, seeing and reading what."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from penstock.model import templates
from penstock.model.data import EMPTY
from penstock.model.errors import PenstockError
from penstock.model.wire import Recipe
from penstock.runner.base import Launch, Runner
from penstock.runner.devices import DEVICES, device_variables
from penstock.worker.attempt import Flight
from penstock.worker.environment import MARKS, attempt_environment
from penstock.worker.servers import Servers
from penstock.worker.standing import made_by, read_by, stand

if TYPE_CHECKING:
    from penstock.worker.code import Code
    from penstock.worker.paths import SearchPaths


class Launcher:
    """Starts commands on a runner. `code` gives the layouts of frozen code, opened with the first that is needed."""

    def __init__(self, runner: Runner, servers: Servers, code: Callable[[], Code], gpus: int, project: str) -> None:
        self._runner = runner
        self._gpus = gpus
        self._servers = servers
        self._code = code
        self._project = project
        self._paths: SearchPaths | None = None
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._containers: tuple[str, dict[str, str]] | None = None  # engine and marks of those that were started

    def begin(self, flight: Flight) -> int:
        """Start what an attempt runs, or hand it to a process that serves many; the handle of either.

        Its slot is ready. Raises PenstockError, OSError.
        """
        recipe = flight.batch.recipe
        if recipe.user is not None:
            from penstock.runner.account import account

            other = account(recipe.user)
            if other is not None:
                flight.slot.hand_to(other.uid, other.gid)
        if recipe.batch is not None:
            return self._serve(flight)
        flight.folder = self._folder(recipe, flight.slot.path, flight.slot.number)
        flight.standing = stand(recipe, flight.assignment, flight.folder, f"{flight.slot.path}.aside")
        flight.log.begin()
        argv, params = recipe.argv, flight.assignment.params
        if recipe.fills:
            values = {name: params[name] for name in recipe.fills}
            argv = tuple(templates.fill(word, values) for word in argv)
        try:
            return self.run(flight, argv, recipe.stdin)
        except BaseException:
            if flight.standing is not None:
                flight.standing.end()
            raise

    def run(self, flight: Flight, argv: tuple[str, ...], stdin: str | None) -> int:
        """Start one command in the place of an attempt. Raises PenstockError, OSError."""
        recipe, slot, sink = flight.batch.recipe, flight.slot, flight.log.sink
        env = attempt_environment(flight.batch.environment, flight.assignment, slot.variables)
        env |= device_variables(flight.gpus, self._gpus, os.environ.get(DEVICES[0]))
        told: dict[str, str] = {}
        if recipe.pfs:
            from penstock.worker.datum import variables

            told = variables(recipe, flight.assignment)
            # An input may be called as a variable is that programs need.
            env |= {name: value for name, value in told.items() if name not in env}
        argv, env = _as_user(recipe, argv, self._led(recipe, argv, env, flight.folder))
        view = slot.view() if recipe.pfs and recipe.container is None else None
        source = self._null if stdin is None else _memory(stdin)
        try:
            launch = Launch(argv, env, flight.folder, source, sink, sink, recipe.cpus, view=view, memory=flight.memory)
            if recipe.container is not None:  # its engine limits it
                launch = self._contained(flight, launch, recipe.container, {**told, **recipe.vars}, stdin is not None)
            return self._runner.start(launch)
        finally:
            if source != self._null:
                os.close(source)

    def _contained(
        self, flight: Flight, launch: Launch, container: tuple[str, str], vars: dict[str, str], reads: bool
    ) -> Launch:
        """A launch in a container, which finds everything where it finds it outside, too."""
        from penstock.runner.containers import Mount, inside

        program, image = container
        recipe, slot = flight.batch.recipe, flight.slot
        self._containers = program, {name: launch.env[name] for name in MARKS if name in launch.env}
        mounts = [
            Mount(flight.folder, flight.folder, writable=recipe.workdir is not None or bool(recipe.leaves)),
            Mount(slot.input, slot.input),
            Mount(slot.output, slot.output, writable=True),
            Mount(slot.variables["PENSTOCK_PARAMS"], slot.variables["PENSTOCK_PARAMS"]),
        ]
        if os.path.isdir(slot.data_out):
            mounts += [Mount(slot.data, slot.data), Mount(slot.data_out, slot.data_out, writable=True)]
        mounts += [Mount(place, place) for place in self._outside(flight, read_by(recipe, flight.assignment))]
        made = (os.path.dirname(path) for path in made_by(recipe, flight.assignment))
        mounts += [Mount(place, place, writable=True) for place in self._outside(flight, made)]
        for name, place in slot.places().items() if recipe.pfs else ():
            mounts.append(Mount(place, f"/pfs/{name}", writable=name == "out"))
        return replace(launch, argv=inside(program, image, launch, vars, mounts, reads, flight.memory), memory=0)

    def _outside(self, flight: Flight, paths: Iterable[str]) -> list[str]:
        """The places of some files of the project, or of directories, that are not below where the command runs."""
        places = dict.fromkeys(os.path.normpath(os.path.join(flight.batch.recipe.root, path)) for path in paths)
        within = f"{os.path.normpath(flight.folder)}/"
        return [place for place in places if not f"{place}/".startswith(within) and os.path.exists(place)]

    def sweep(self, flight: Flight) -> str:
        """End the container of an attempt whose client may have been killed; what is wrong if it stays."""
        container = flight.batch.recipe.container
        if container is None:
            return ""
        from penstock.runner.containers import end_containers

        try:
            end_containers(container[0], {"PENSTOCK_ATTEMPT": flight.assignment.attempt})
        except PenstockError as error:
            return f"; its container may still run: {error}"
        return ""

    def _serve(self, flight: Flight) -> int:
        recipe = flight.batch.recipe
        server = self._servers.idle(recipe)
        if server is None:
            argv, env = _as_user(recipe, recipe.argv, flight.batch.environment)
            server = self._servers.start(
                recipe,
                argv,
                lambda folder: self._led(recipe, argv, env, folder),
                lambda home, name: self._folder(recipe, home, name),
            )
        server.log.begin()
        try:
            server.give(self._runner, flight.assignment, flight.slot)
        except BaseException:
            self._servers.release(server, recipe, healthy=False)
            raise
        flight.server, flight.log, flight.folder = server, server.log, server.folder
        return server.handle

    def _led(self, recipe: Recipe, argv: tuple[str, ...], env: dict[str, str], folder: str) -> dict[str, str]:
        """An environment in which search paths lead to frozen code, for a command that runs there."""
        if recipe.workdir is not None or recipe.code == EMPTY or recipe.container is not None:
            return env
        if self._paths is None:
            from penstock.worker.paths import SearchPaths

            self._paths = SearchPaths(self._project)
        return {**env, **self._paths.led(env, argv[0], folder)}

    def _folder(self, recipe: Recipe, otherwise: str, name: str | int) -> str:
        """Where commands of a recipe run; `name` is of who runs there."""
        if recipe.workdir is None and recipe.code != EMPTY:
            return self._code().place(recipe.code, name)
        return recipe.workdir or otherwise

    def close(self) -> None:
        """End the containers that are left. Raises PenstockError."""
        os.close(self._null)
        if self._containers is not None:
            from penstock.runner.containers import end_containers

            end_containers(*self._containers)


def _as_user(recipe: Recipe, argv: tuple[str, ...], env: dict[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Command and environment as the user a recipe names."""
    if recipe.user is None:
        return argv, env
    from penstock.runner.account import account

    other = account(recipe.user)
    return (argv, env) if other is None else ((*other.prefix, *argv), {**env, **other.vars})


def _memory(text: str) -> int:
    """A file that exists in memory alone, to be read from its beginning."""
    descriptor = os.memfd_create("stdin", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
