"""`verify`: run some bindings of a job again, aside, and compare what they give with what is stored."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

from msgspec.structs import replace

from penstock.engine.pack import Needs, Wish
from penstock.model.errors import Refused
from penstock.model.moves import JobState, Outcome
from penstock.model.run import Job, Task
from penstock.model.views import CheckView, VerifyView
from penstock.model.wire import Assignment, Result
from penstock.objects import map as pages_map
from penstock.service import resolve
from penstock.service.bindings.ledger import Done, Ledger
from penstock.service.bindings.work import decode_inputs
from penstock.service.driving.crew import Node
from penstock.service.driving.local import LocalCrew
from penstock.service.driving.recipes import recipe
from penstock.service.opening.able import refusal
from penstock.service.parts import Parts

#: A binding with the task that gave its result, and what that was.
Known = tuple[str, Task, Done]
PATIENCE = 1.0


def verify(parts: Parts, target: str, sample: int) -> VerifyView:
    """Run at most `sample` bindings of a job again, chosen at random, and compare all files they leave.

    Nothing is published, no row is written; what they store is garbage that nobody refers to.
    Raises NotFound; Refused for a job that is not done, or that keeps no results to compare with.
    """
    job = resolve.job(parts, target)
    if job.state != JobState.DONE or not job.expanded:
        how = "wait until it is done" if job.state != JobState.DONE else f"see `penstock explain {job.step}`"
        raise Refused(f"{job.id} has no results to compare with; {how}")
    step = parts.step(job)
    if not step.reuse:
        raise Refused(f"{job.id} runs every time ({step.name} has `reuse` off): nobody counts on equal bytes")
    why = refusal(step)
    if why is not None:
        raise Refused(f"{job.id} cannot be run again here: {why}")
    bindings, chosen = _choose(parts, job, sample)
    known = [found for found in (_known(parts, job, *item) for item in chosen) if found is not None]
    with parts.objects.session():
        given = dict(_run_again(parts, job, known))
        checked = [_compare(parts, item, given[item[1].seq]) for item in known]
    return VerifyView(job.id, bindings, tuple(checked), len(chosen) - len(known))


def _choose(parts: Parts, job: Job, sample: int) -> tuple[int, list[tuple[str, Done]]]:
    """How many bindings a job has results of, and some of them, each as likely as any other."""
    kept: list[tuple[str, Done]] = []
    count = 0
    for item in Ledger(job.ledger, job.owners, job.tree).every(parts.objects.pages):
        count += 1
        if len(kept) < sample:
            kept.append(item)
        elif (place := random.randrange(count)) < sample:
            kept[place] = item
    return count, sorted(kept, key=lambda item: item[0])


def _known(parts: Parts, job: Job, key: str, done: Done) -> Known | None:
    """The task whose attempt gave a result, None if its row is gone."""
    made = parts.store.load(Task, "success", fingerprint=done.fingerprint)
    return next(((key, task, done) for task in made if task.output == done.output), None)


def _run_again(parts: Parts, job: Job, known: list[Known]) -> Iterator[tuple[int, Result]]:
    """Results by task. The workers carry a mark of their own: who takes the engine role leaves them alone."""
    layout = replace(parts.layout, id=parts.new_id())
    crew = LocalCrew(layout, Node(len(os.sched_getaffinity(0))))
    step = parts.step(job)
    shared, needs = recipe(parts, job, step), Needs(step.resources.cpus)
    waiting = {task.seq: task for _, task, _ in known}
    try:
        workers = crew.workers([Wish(0, needs, len(known))])
        for place, task in enumerate(waiting.values()):
            attempt = Assignment(task.id, f"{task.id}-verify", 0, task.params, decode_inputs(task.inputs))
            crew.give(workers[place % len(workers)], [(shared, [(task.seq, needs, attempt)])])
        while waiting:
            heard = crew.hear(PATIENCE)
            parts.objects.blobs.learn(heard.packs)
            for seq in heard.lost:
                raise Refused(f"a worker died with task {waiting[seq].id}; see .penstock/logs/workers.log")
            for seq, result in heard.ended:
                del waiting[seq]
                yield seq, result
    finally:
        crew.close()


def _compare(parts: Parts, known: Known, result: Result) -> CheckView:
    key, task, done = known
    binding = tuple(key.split("\n"))
    if result.outcome != Outcome.SUCCEEDED:
        return CheckView(task.id, binding, False, message=f"it failed this time: {result.message}")
    if result.output == done.output:
        return CheckView(task.id, binding, True)
    pages = parts.objects.pages
    before, after = dict(pages_map.scan(pages, done.output)), dict(pages_map.scan(pages, result.output))
    differs = sorted(path.decode() for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    return CheckView(task.id, binding, False, tuple(differs))
