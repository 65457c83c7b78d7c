"""Files in place and user data count like any other input, and results are known only while what they left is there."""

from __future__ import annotations

import os
from typing import Any

import pytest

from penstock.model.errors import BadSpec
from penstock.model.run import Job, Success
from penstock.service.userdata.documents import put

LOW = """
    steps:
      low:
        reuse: true
        input: {file: table.txt}
        outputs: [low.out]
        run: "cat table.txt > low.out; echo ran >> ran.txt"
    """


def ran(lab: Any) -> int:
    path = lab.root / "ran.txt"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_changed_file_is_new_work_and_the_same_again_is_known(lab: Any) -> None:
    lab.write("table.txt", "one")
    lab.pipeline(LOW)
    assert lab.ok()["low"] == (1, 1, 0)
    assert lab.ok()["low"] == (1, 0, 1)
    os.utime(lab.root / "table.txt", ns=(5, 5))
    assert lab.ok()["low"] == (1, 0, 1), "contents count, and not times"
    lab.write("table.txt", "two")
    assert lab.planned()["low"] == (1, 1)
    assert lab.ok()["low"] == (1, 1, 0)
    assert (lab.root / "low.out").read_text() == "two"
    assert "file table.txt changed" in lab.explain("low")


def test_a_result_is_known_only_while_its_outputs_are_as_it_left_them(lab: Any) -> None:
    lab.write("table.txt", "one")
    lab.pipeline(LOW)
    lab.ok()
    (lab.root / "low.out").unlink()
    assert lab.ok()["low"] == (1, 1, 0)
    assert lab.ok()["low"] == (1, 0, 1)
    lab.write("low.out", "mine")
    assert lab.ok()["low"] == (1, 1, 0)
    lab.write("table.txt", "two")
    lab.ok()
    lab.write("table.txt", "one")
    assert lab.ok()["low"] == (1, 1, 0), "what it left then is not there any more"
    assert (lab.root / "low.out").read_text() == "one"


def test_beside_a_repo_and_with_each_a_task_counts_what_it_reads_itself(lab: Any) -> None:
    lab.put("d:/", {"x": "1"})
    for name in "ab":
        lab.write(f"in/{name}", name)
    lab.write("all", "all")
    lab.pipeline(
        """
        steps:
          both:
            each: {n: [a, b]}
            input: [{file: "in/{n}"}, {file: all}, "d:/*"]
            run: "n=$PENSTOCK_PARAM_N; cat $HERE/in/$n $HERE/all $PENSTOCK_IN/d/x > $PENSTOCK_OUT/$n"
            env: {vars: {HERE: ROOT}}
        """.replace("ROOT", str(lab.root))
    )
    assert lab.ok()["both"] == (2, 2, 0)
    assert lab.ok()["both"] == (2, 0, 2)
    lab.write("in/a", "A")
    assert lab.ok()["both"] == (2, 1, 1)
    lab.write("all", "ALL")
    assert lab.ok()["both"] == (2, 2, 0)
    assert lab.files("both") == {"a": "AALL1", "b": "bALL1"}
    assert lab.project.trace("both:/a").files == ("all", "in/a")


def test_user_data_that_a_reusing_step_is_given_counts(lab: Any) -> None:
    lab.pipeline("""
        data: {lr: {value: 1}}
        steps:
          fit: {reuse: true, inputs_data: [lr], run: "cat $PENSTOCK_DATA/lr.json"}
        """)
    assert lab.ok()["fit"] == (1, 1, 0)
    assert lab.ok()["fit"] == (1, 0, 1)
    put(lab.parts, "lr", 2)
    assert lab.ok()["fit"] == (1, 1, 0)


def test_a_file_that_changes_while_it_is_read_gives_a_result_for_this_run_alone(lab: Any) -> None:
    lab.write("table.txt", "one")
    lab.pipeline("""
        steps:
          low: {reuse: true, input: {file: table.txt}, run: "cat table.txt; printf two > table.txt"}
        """)
    view = lab.run()
    assert view.state == "success"
    assert "table.txt changed while it ran" in view.jobs[0].message
    assert lab.parts.store.load(Success, "old_results", before=1 << 62, after=b"", limit=9) == []
    lab.write("table.txt", "one")
    assert lab.ok()["low"] == (1, 1, 0)


def test_what_tasks_share_is_known_again_as_a_whole(lab: Any) -> None:
    text = """
        steps:
          add:
            reuse: true
            each: {n: "1..%d"}
            outputs: [all.csv]
            run: "echo $PENSTOCK_PARAM_N >> all.csv"
        """
    lab.pipeline(text % 2)
    assert lab.ok()["add"] == (2, 2, 0)
    assert lab.ok()["add"] == (2, 0, 2)
    with (lab.root / "all.csv").open("a") as file:
        file.write("more\n")
    assert lab.ok()["add"] == (2, 2, 0)
    lab.pipeline(text % 3)
    assert lab.ok()["add"] == (3, 3, 0)
    assert len((lab.root / "all.csv").read_text().splitlines()) == 8, "and nothing of it is ever removed"


def test_each_task_with_a_file_of_its_own_is_known_by_itself(lab: Any) -> None:
    lab.pipeline("""
        steps:
          make: {reuse: true, each: {n: "1..3"}, outputs: ["out-{n}"], run: "echo x > out-$PENSTOCK_PARAM_N"}
        """)
    assert lab.ok()["make"] == (3, 3, 0)
    (lab.root / "out-2").unlink()
    assert lab.ok()["make"] == (3, 1, 2)


def test_an_old_output_left_as_it_was_is_none(lab: Any) -> None:
    lab.write("out", "old")
    lab.pipeline('steps: {s: {outputs: [out], run: "true"}}')
    (job,) = lab.run().jobs
    assert (job.state, job.reason) == ("failure", "output")
    assert "persist: true" in job.message
    assert (lab.root / "out").read_text() == "old", "no attempt is known to have written it"
    lab.pipeline('steps: {s: {outputs: [{file: out, persist: true}], run: "true"}}')
    assert lab.run().state == "success"
    lab.pipeline('steps: {s: {outputs: [out], run: "cp -p out x; mv x out"}}')
    assert lab.run().state == "success"
    lab.pipeline('steps: {s: {outputs: [d], run: "mkdir -p d/e; echo $PENSTOCK_RUN > d/e/f"}}')
    assert [lab.run().state, lab.run().state] == ["success", "success"]


def test_what_a_failed_try_wrote_is_removed_before_the_next(lab: Any) -> None:
    lab.pipeline("""
        steps:
          s: {outputs: [out], retry: {tries: 3}, run: "echo x >> out; echo y >> tries; [ $(wc -l < tries) -eq 3 ]"}
        """)
    assert lab.run().state == "success"
    assert (lab.root / "out").read_text() == "x\n"
    assert lab.run().state == "failure"
    assert (lab.root / "out").read_text() == "x\n"


@pytest.mark.parametrize(
    "made", ["outputs: [{file: out, persist: true}]", "outputs: [out], supports_termination: true"]
)
def test_what_may_stay_and_checkpoints_are_not_removed(lab: Any, made: str) -> None:
    lab.pipeline(f'steps: {{s: {{{made}, retry: {{tries: 2}}, run: "echo x >> out; [ $(wc -l < out) -eq 2 ]"}}}}')
    assert lab.run().state == "success"


def test_neither_a_directory_nor_what_somebody_wrote_since_is_removed(lab: Any) -> None:
    lab.pipeline('steps: {s: {outputs: [out, d], run: "mkdir -p d; echo x > d/f; echo y > out; false"}}')
    assert lab.run().state == "failure"
    lab.write("out", "mine")
    lab.pipeline('steps: {s: {outputs: [out, d], run: "cat out; false"}}')
    assert lab.run().state == "failure"
    assert (lab.root / "out").read_text() == "mine"
    assert (lab.root / "d/f").read_text() == "x\n"


def test_files_stand_at_their_paths_in_frozen_code(lab: Any) -> None:
    lab.write("model.txt", "old")
    lab.write("log.txt", "0\n")
    lab.write("deep/a.csv", "1")
    lab.write(".gitignore", "deep\n")
    lab.pipeline("""
        steps:
          make: {run: "printf new > model.txt", outputs: [model.txt]}
          fit:
            input: [{file: model.txt}, {file: "deep/*.csv"}]
            outputs: [res/new.txt, {file: log.txt}]
            output: fits
            run: |
              cat model.txt deep/a.csv > $PENSTOCK_OUT/all
              mkdir -p res; echo 1 > res/.new; mv res/.new res/new.txt; echo 1 >> log.txt
        """)
    assert lab.ok()["fit"] == (1, 1, 0)
    assert lab.files("fits") == {"all": "new1"}
    assert (lab.root / "res/new.txt").read_text() == "1\n"
    assert (lab.root / "log.txt").read_text() == "0\n1\n"
    assert not (lab.root / "model.txt").is_symlink()
    assert lab.ok()["fit"] == (1, 0, 1)
    lab.write("deep/a.csv", "2")
    assert lab.ok()["fit"] == (1, 1, 0)
    assert lab.files("fits") == {"all": "new2"}


def test_paths_that_links_lead_to_are_one_file(lab: Any) -> None:
    (lab.root / "here").symlink_to(".")
    lab.pipeline("""
        steps:
          use: {input: {file: "here/z*"}, run: "cat here/z"}
          make: {run: "sleep 0.2; echo 1 > z", outputs: [z]}
        """)
    assert lab.run().state == "success"
    lab.pipeline("""
        steps:
          one: {run: "echo 1 > z", outputs: [here/z]}
          two: {run: "echo 1 > z", outputs: [z]}
        """)
    with pytest.raises(BadSpec, match='which step "one" makes, too'):
        lab.run()


def test_steps_without_files_in_place_note_nothing(lab: Any) -> None:
    lab.pipeline('steps: {s: {reuse: true, run: "true"}}')
    view = lab.run()
    (row,) = lab.parts.store.load(Job, "jobs_of_run", run=view.run)
    assert not row.parts.keys() & {"files", "marks", "given", "data"}
