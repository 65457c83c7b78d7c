"""Steps in containers, on a real engine where one answers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from penstock.model.errors import BadSpec, PenstockError
from penstock.runner import containers


def missing() -> str:
    try:
        containers.engine()
    except PenstockError as error:
        return str(error)
    return "" if shutil.which("busybox") else "busybox is not installed"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image made of one static program."""
    if reason := missing():
        pytest.skip(reason)
    folder, name = tmp_path_factory.mktemp("image"), f"penstock-test-{os.getpid()}:1"
    shutil.copy(str(shutil.which("busybox")), folder / "busybox")
    (folder / "Dockerfile").write_text(
        "FROM scratch\nCOPY busybox /bin/busybox\nENV FROM_IMAGE=yes PATH=/bin\n"
        'RUN ["/bin/busybox", "--install", "/bin"]\n'
    )
    env = {**os.environ, "DOCKER_BUILDKIT": "0"}
    words = [containers.engine(), "build", "--network", "host", "-q", "-t", name, str(folder)]
    subprocess.run(words, check=True, env=env, capture_output=True)
    try:
        words = [containers.engine(), "run", "--rm", "--network", "host", name, "true"]
        tried = subprocess.run(words, check=False, capture_output=True, text=True)
        if tried.returncode:
            pytest.skip(f"{containers.engine()} answers and runs nothing here: {tried.stderr.strip()[-200:]}")
        yield name
    finally:
        subprocess.run([containers.engine(), "rmi", "-f", name], check=True, capture_output=True)


def running(lab: Any) -> list[str]:
    words = [containers.engine(), "ps", "-aq", "--filter", f"label=penstock.project={lab.parts.layout.id}"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


def test_what_a_container_sees(lab: Any, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OF_THE_CALLER", "1")
    lab.put("in", {"a": "hello\n", "b": "there\n"})
    lab.write("tool.sh", 'tr a-z A-Z < "$1"\n')
    lab.pipeline(f"""
        steps:
          upper:
            input: in:/*
            pfs: true
            params: {{p: 7}}
            stdin: given
            env: {{image: "{image}", vars: {{MINE: x y}}}}
            run: |
              set -e
              for f in "$PENSTOCK_IN"/in/*; do sh tool.sh "$f" > "$PENSTOCK_OUT/${{f##*/}}"; done
              cmp "$PENSTOCK_IN"/in/* /pfs/in/*
              test "$MINE $FROM_IMAGE $PENSTOCK_PARAM_P $(cat)" = "x y yes 7 given"
              test -z "$OF_THE_CALLER"
              test ! -e {lab.root}/pipeline.yaml
              if echo x 2>/dev/null > "$PENSTOCK_IN/in/stray"; then exit 9; fi
              if echo x 2>/dev/null > tool.sh; then exit 9; fi
              id -u > /pfs/out/$PENSTOCK_TASK
    """)
    assert lab.ok() == {"upper": (2, 2, 0)}
    found = lab.files("upper")
    assert {found["a"], found["b"]} == {"HELLO\n", "THERE\n"}
    assert {text for name, text in found.items() if len(name) > 1} == {f"{os.getuid()}\n"}
    assert running(lab) == []
    assert lab.ok() == {"upper": (2, 0, 2)}


def test_another_image_of_that_name_runs_again(lab: Any, image: str, tmp_path: Path) -> None:
    lab.put("in", {"a": "1"})
    lab.pipeline(f"""
        steps:
          copy:
            input: in:/*
            env: {{image: "{image}-moving"}}
            run: 'echo $VERSION > "$PENSTOCK_OUT/v"'
    """)
    for version in ("one", "two"):
        (tmp_path / "Dockerfile").write_text(f"FROM {image}\nENV VERSION={version}\n")
        env = {**os.environ, "DOCKER_BUILDKIT": "0"}
        words = [containers.engine(), "build", "-q", "-t", f"{image}-moving", str(tmp_path)]
        subprocess.run(words, check=True, env=env, capture_output=True)
        lab.ok()
        assert lab.files("copy") == {"v": f"{version}\n"}
    assert "environment" in lab.explain("copy")
    subprocess.run([containers.engine(), "rmi", "-f", f"{image}-moving"], check=True, capture_output=True)


SLEEP = """
    steps:
      sleep:
        retry: {{timeout: {timeout}}}
        env: {{image: "{image}"}}
        run: [sh, -c, "trap '' TERM; echo up; while true; do sleep 0.1; done"]
"""


def test_a_timeout_ends_the_whole_container(lab: Any, image: str) -> None:
    lab.pipeline(SLEEP.format(timeout="1s", image=image))
    assert lab.run().state == "failure"
    assert lab.failures(lab.runs[-1].jobs[0]) == ["sh took longer than 1 s"]
    assert running(lab) == []


def test_a_container_that_uses_more_memory_than_it_may_is_killed(lab: Any, image: str) -> None:
    lab.pipeline(f"""
        steps:
          hog:
            env: {{image: "{image}"}}
            resources: {{memory: 50MB}}
            run: "x=$(head -c 200000000 /dev/zero | tr '\\\\0' a); echo $x"
        """)
    (job,) = lab.run().jobs
    (task,) = lab.tasks(job)
    assert task.reason == "memory" and "was killed in its container, which may use 47.7 MiB" in task.message


def test_nothing_is_left_of_a_killed_engine(lab: Any, image: str) -> None:
    lab.pipeline(SLEEP.format(timeout="1h", image=image))
    engine = lab.penstock("run")
    try:
        lab.wait_for(lambda: running(lab))
        for pid in [engine.pid, *(pid for pid in lab.alive() if b"penstock.worker" in _command(pid))]:
            with suppress(ProcessLookupError):  # a worker leaves with its engine
                os.kill(pid, signal.SIGKILL)
    finally:
        engine.kill()
        engine.communicate()
    assert running(lab)
    lab.project.stop("sleep")
    assert running(lab) == []


def _command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_without_an_engine_it_is_refused(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(containers.CHOICE, "no-such-engine")
    containers.engine.cache_clear()
    try:
        lab.pipeline("""
            steps:
              work:
                env: {image: "busybox:1"}
                output: work
                run: 'echo bare > "$PENSTOCK_OUT/x"'
        """)
        with pytest.raises(BadSpec, match=r"pipeline\.yaml:3:3?.*no-such-engine is not installed.*--env inherit"):
            lab.run()
        view = lab.project.run(inherit=True)
        assert view.state == "success"
        assert lab.files("work") == {"x": "bare\n"}
        # Without the option the file means what it says.
        with pytest.raises(BadSpec, match="is not installed"):
            lab.run()
    finally:
        containers.engine.cache_clear()


@pytest.mark.parametrize(
    "more, why",
    [
        ("batch: true", "batch: not possible in a container"),
        ("user: nobody", "user: not possible in a container"),
        ("resources: {gpus: 1}", "gets no GPUs"),
    ],
)
def test_what_a_container_cannot_do(lab: Any, more: str, why: str) -> None:
    lab.pipeline(f"steps: {{a: {{run: 'true', env: {{image: x}}, {more}}}}}")
    with pytest.raises(BadSpec, match=rf"pipeline\.yaml:1:\d+: .*{why}"):
        lab.run()


@pytest.mark.parametrize(
    "env, why", [("{image: -x}", "is no name of an image"), ("{image: x, inherit: true}", "has variables of its own")]
)
def test_bad_images(lab: Any, env: str, why: str) -> None:
    lab.pipeline(f"steps: {{a: {{run: 'true', env: {env}}}}}")
    with pytest.raises(BadSpec, match=why):
        lab.run()


def test_files_in_place_are_where_a_container_looks_for_them(lab: Any, image: str) -> None:
    """In frozen code and in the project itself: read at their paths, and what is made lands in the project."""
    (lab.root / "model.txt").write_text("old")
    lab.put("d", {"x": "x"})
    lab.pipeline(f"""
        steps:
          frozen:
            env: {{image: "{image}"}}
            input: ["d:/*", {{file: model.txt}}]
            outputs: [left.txt]
            run: "cat model.txt > $PENSTOCK_OUT/y; cat model.txt > left.txt"
          live:
            env: {{image: "{image}"}}
            reuse: true
            input: {{file: model.txt}}
            outputs: [two.txt]
            run: "cat model.txt > two.txt"
        """)
    for text in ("old", "new"):
        (lab.root / "model.txt").write_text(text)
        lab.ok()
        assert lab.files("frozen") == {"y": text}
        assert [(lab.root / name).read_text() for name in ("left.txt", "two.txt")] == [text, text]
