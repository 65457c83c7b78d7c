"""Bad pipeline files: each gives one error at the place to change, and says what was expected."""

from __future__ import annotations

import pytest

from penstock.model.errors import BadSpec
from penstock.text.pipeline import read_pipeline

#: A step that reads from line 3, column 6 on: `STEP % "run: x"`.
STEP = "steps:\n  s:\n    %s\n"


def named(count: int) -> str:
    """So many inputs, each with a name of its own."""
    return ", ".join(f"{{repo: r, glob: /, as: n{place}}}" for place in range(count))


BAD = [
    # text, line:column, phrase
    # the file
    ("[1]", "1:1", "expected a mapping, found a list"),
    ("just text", "1:1", "expected a mapping, found text"),
    ("---\n", "2:1", "expected a mapping, found nothing"),
    ("pipeline: x\n", "1:1", "`steps` is missing"),
    ("steps: {}", "1:8", "at least one step"),
    ("steps: [a]", "1:8", "expected a mapping, found a list"),
    ("step: {a: {run: x}}", "1:1", 'unknown key "step"; did you mean "steps"?'),
    ("zzzz: 1", "1:1", 'unknown key "zzzz"; known: "backlog", "data", "description"'),
    ("backlog: newest\nsteps: {s: {run: x}}", "1:10", 'backlog: expected "each" or "latest", found "newest"'),
    ("fail: quick\nsteps: {s: {run: x}}", "1:7", 'fail: expected "finish" or "fast"'),
    ("steps: {s: {run: x, accept_exit: 3}}", "1:34", "accept_exit: expected a list of exit codes, found a number"),
    ("steps: {s: {run: x, accept_exit: [1, 256]}}", "1:38", "expected a number from 0 to 255"),
    ("steps: {s: {run: x, stdin: {a: b}}}", "1:28", "stdin: expected text"),
    ("steps: {s: {run: x, stdin: [[a]]}}", "1:29", "stdin: expected text"),
    ("steps: {s: {run: x, err_run: []}}", "1:30", "err_run: expected the name of a command first"),
    ("steps: {s: {run: x, err_run: gone.py}}", "1:30", 'there is no file "gone.py"'),
    ("steps: {s: {run: x, timeout: 0}}", "1:30", "timeout: expected a duration longer than nothing"),
    ("steps: {s: {run: x, timeout: -1}}", "1:30", "is no duration"),
    ("steps: {s: {run: x, retry: {timeout: 0s}}}", "1:38", "expected a duration longer than nothing"),
    ("steps: {s: {run: x, user: 'a b'}}", "1:27", "is no name or number of a user"),
    ("steps: {s: {run: x, user: -1}}", "1:27", "is no name or number of a user"),
    ("steps: {s: {run: x, batch: 3}}", "1:28", "batch: expected true or false"),
    ("steps: {s: {run: x, batch: {size: 0}}}", "1:35", "expected a number from 1 to"),
    ("steps: {s: {run: x, batch: {idle: 0}}}", "1:35", "expected a duration longer than nothing"),
    ("steps: {s: {run: x, batch: {many: 2}}}", "1:29", 'unknown key "many"'),
    ("steps: {s: {run: x, batch: true, stdin: a}}", "1:41", "the process reads its tasks there"),
    ("steps: {s: {run: x, pfs: maybe}}", "1:26", "pfs: expected true or false"),
    ("schedule: 1\nsteps: {}", "1:1", "`schedule` is not supported by this version"),
    ("pipeline: a b\nsteps: {s: {run: x}}", "1:11", '"a b" is no name'),
    ("pipeline: 7\nsteps: {s: {run: x}}", "1:11", 'expected a name, found a number; write "7" in quotes'),
    ("pipeline: [x]\nsteps: {s: {run: x}}", "1:11", "expected a name, found a list"),
    ("description: [x]\nsteps: {s: {run: x}}", "1:14", "expected text, found a list"),
    # sites
    ("sites: [a]\nsteps: {s: {run: x}}", "1:8", "sites: expected a mapping"),
    ("sites: {local: {kind: slurm}}\nsteps: {s: {run: x}}", "1:9", "is this machine"),
    ("sites: {far: {nodes: 1}}\nsteps: {s: {run: x}}", "1:9", "`kind` is missing"),
    ("sites: {far: {kind: pbs}}\nsteps: {s: {run: x}}", "1:21", 'expected "slurm" or "dask"'),
    ("sites: {far: {kind: slurm, node: 1}}\nsteps: {s: {run: x}}", "1:28", 'did you mean "nodes"?'),
    ("sites: {far: {kind: slurm, nodes: 0}}\nsteps: {s: {run: x}}", "1:35", "expected a number from 1 to 1000"),
    ("sites: {far: {kind: slurm, nodes: {min: 3, max: 2}}}\nsteps: {s: {run: x}}", "1:35", "cannot be"),
    ("sites: {far: {kind: slurm, walltime: 10s}}\nsteps: {s: {run: x}}", "1:38", "between a minute and a year"),
    ("sites: {far: {kind: slurm, walltime: 400d}}\nsteps: {s: {run: x}}", "1:38", "between a minute and a year"),
    ("sites: {far: {kind: slurm, partition: 'a b'}}\nsteps: {s: {run: x}}", "1:39", "name of a partition"),
    ("sites: {far: {kind: slurm, partition: a;b}}\nsteps: {s: {run: x}}", "1:39", "name of a partition"),
    ("sites: {far: {kind: slurm, cpus: 0}}\nsteps: {s: {run: x}}", "1:34", "expected a number from 1"),
    ("sites: {far: {kind: slurm, memory: 0}}\nsteps: {s: {run: x}}", "1:36", "more than nothing"),
    ("sites: {far: {kind: slurm, per: job}}\nsteps: {s: {run: x}}", "1:33", 'expected "node" or "task"'),
    ("sites: {far: {kind: slurm, options: {mem: 4g}}}\nsteps: {s: {run: x}}", "1:38", "say `memory`"),
    ("sites: {far: {kind: slurm, options: {A: x}}}\nsteps: {s: {run: x}}", "1:38", "is no long option"),
    ("sites: {far: {kind: slurm, options: {'a b': x}}}\nsteps: {s: {run: x}}", "1:38", "is no long option"),
    ("sites: {far: {kind: slurm, options: {qos: [x]}}}\nsteps: {s: {run: x}}", "1:43", "expected a word"),
    ('sites: {far: {kind: slurm, options: {qos: "a\\nb"}}}\nsteps: {s: {run: x}}', "1:43", "expected a word"),
    ("sites: {far: {kind: slurm}}\nsteps: {s: {run: x, site: fa}}", "2:27", 'did you mean "far"?'),
    # repos
    ("repos: [a]\nsteps: {s: {run: x}}", "1:8", "repos: expected a mapping"),
    ("repos:\n  a b:\nsteps: {s: {run: x}}", "2:3", '"a b" is no name'),
    ("repos: {a: photos}\nsteps: {s: {run: x}}", "1:12", 'repo "a": expected a mapping, found text'),
    ("repos: {a: {pth: photos}}\nsteps: {s: {run: x}}", "1:13", 'did you mean "path"?'),
    ("repos: {a: {follow: true}}\nsteps: {s: {run: x}}", "1:21", "goes with `path`"),
    ("repos: {a: {path: .penstock/objects}}\nsteps: {s: {run: x}}", "1:19", "Penstock keeps its own data"),
    ("repos: {a: {path: .}}\nsteps: {s: {run: x}}", "1:19", "the project itself cannot be linked"),
    ("repos: {a: {path: ''}}\nsteps: {s: {run: x}}", "1:19", "expected a path, found nothing"),
    ('repos: {a: {path: "a\\nb"}}\nsteps: {s: {run: x}}', "1:19", "U+000A"),
    ("repos:\n  a: {path: p}\n  b: {path: ./p}\nsteps: {s: {run: x}}", "3:13", 'linked to "a" at p.yaml:2:3'),
    # steps and their keys
    ("steps: {s: 1}", "1:12", 'step "s": expected a mapping, found a num'),
    ("steps:\n  s:\n", "2:5", 'step "s": expected a mapping, found nothing'),
    ("steps:\n  a.b: {run: x}", "2:3", '"a.b" is no name'),
    ("steps:\n  -a: {run: x}", "2:3", "not beginning with"),
    (f"steps:\n  {'x' * 65}: {{run: x}}", "2:3", "at most 64"),
    ("steps: {s: {}}", "1:9", "`run` is missing"),
    ("steps: {s: {rum: x}}", "1:13", 'unknown key "rum"; did you mean "run"?'),
    ("steps: {s: {run: x, inptu: a}}", "1:21", 'unknown key "inptu"; did you mean "input"?'),
    ("steps: {s: {run: x, site: here}}", "1:27", 'there is no site "here"; known: "local"'),
    ("steps:\n  s: {run: x}\n  t: {run: y}\n  s: {run: z}", "4:3", '"s" was given before, at 2:3'),
    # run
    (STEP % "run: 7", "3:10", "expected a list of words or text, found a number"),
    (STEP % "run: {a: b}", "3:10", "found a mapping"),
    (STEP % "run:", "3:9", "found nothing"),
    (STEP % "run: []", "3:10", "the name of a command first"),
    (STEP % "run: ['']", "3:10", "the name of a command first"),
    (STEP % "run: '  '", "3:10", "expected a command, found nothing"),
    (STEP % "run: [ls, yes, true]", "3:20", 'found true or false; write "true" in quotes'),
    (STEP % "run: [ls, [x]]", "3:15", "expected text, found a list"),
    (STEP % 'run: [ls, "a\\0b"]', "3:15", "NUL"),
    (STEP % "run: egdes.py", "3:10", 'there is no file "egdes.py" in the project'),
    (STEP % "run: /usr/bin/there.py", "3:10", "there is no file"),
    (STEP % "run: ../there.sh", "3:10", "there is no file"),
    (STEP % "run: report.ipynb", "3:10", "come with a later version"),
    (STEP % "run: work.R", "3:10", "come with a later version"),
    # input
    (STEP % "{run: x, input: 7}", "3:21", "found a number"),
    (STEP % "{run: x, input: images}", "3:21", '"images:/*" gives one binding per entry'),
    (STEP % "{run: x, input: 'images:'}", "3:21", "but not which files"),
    (STEP % "{run: x, input: ':/x'}", "3:21", '"" is no name of a repo'),
    (STEP % "{run: x, input: 'images@:/x'}", "3:21", '"" is no name of a branch'),
    (STEP % "{run: x, input: 'images@main^2:/x'}", "3:21", '"main^2" is no name of a branch'),
    (STEP % "{run: x, input: 'imagse:/*'}", "3:21", 'there is no repo "imagse"; did you mean "images"?'),
    (STEP % "{run: x, input: ['images:/*', 'zzz:/']}", "3:35", 'there is no repo "zzz"; known: "images"'),
    (STEP % "{run: x, input: 'images:/[a'}", "3:21", 'offset 1: "[" is never closed'),
    (STEP % "{run: x, input: []}", "3:21", "at least one input"),
    (STEP % "{run: x, input: {cross: []}}", "3:29", "at least one input"),
    (STEP % "{run: x, input: {cross: 'images:/'}}", "3:29", "expected a list of inputs, found text"),
    (STEP % "{run: x, input: {cross: ['images:/'], repo: images}}", "3:43", "`repo` cannot stand beside `cross`"),
    (STEP % "{run: x, input: {file: ../a}}", "3:28", '"../a": expected a path below the project, or an absolute one'),
    (STEP % "{run: x, input: {file: 'a[b'}}", "3:28", 'glob "/a[b"'),
    (STEP % "{run: x, input: {file: a, has: 1}}", "3:31", 'unknown key "has"; did you mean "hash"?'),
    (STEP % "{run: x, input: {file: .penstock/a}}", "3:28", "is where Penstock keeps its own data"),
    (STEP % "{run: x, input: {file: []}}", "3:28", "expected at least one path"),
    (STEP % '{run: x, input: {cross: [{file: a}, "r:/*"]}}', "3:31", "stands alone, or in the list of all inputs"),
    (STEP % "{run: x, outputs: [a*]}", "3:24", "a file that is made has no * ? [ ] { } ( ) in its path"),
    (STEP % "{run: x, outputs: [a, ./a]}", "3:27", '"a" stands there twice'),
    (STEP % "{run: x, outputs: [{hash: true}]}", "3:24", "`file` is missing; expected {file: PATH}"),
    (
        STEP % "{run: x, outputs: [a]}\n  t: {run: x, outputs: [a]}",
        "4:25",
        'outputs: step "s" makes "a", too, at p.yaml:3:24',
    ),
    (
        STEP % "{run: x, outputs: [a/1], input: {file: b}}\n  t: {run: x, outputs: [b], input: {file: a/*}}",
        "3:44",
        "the steps wait for each other in a cycle: s -> t -> s",
    ),
    (STEP % "{run: x, input: {repo: images, glob: /*, lazy: yes}}", "3:52", "expected true or false"),
    (STEP % "{run: x, input: {repo: images, glob: /*, lazy: true, empty: true}}", "3:52", "exclude each other"),
    (STEP % "{run: x, input: {repo: images, glob: /*, outer: true}}", "3:53", "needs `on`, the key of the join"),
    (STEP % "{run: x, input: {repo: images, glob: /*, tz: UTC}}", "3:46", "`tz` belongs beside `cron`"),
    (STEP % "{run: x, input: {repo: images, glob: /*, on: $1}}", "3:50", "the glob captures nothing; write (*) for"),
    (STEP % "{run: x, input: {repo: images, glob: '/(*)', on: $2}}", "3:54", '"$2" in "$2": the glob has 1 group'),
    (STEP % "{run: x, input: {repo: images, glob: '/(*)', on: $x}}", "3:54", "expected $1, ${1} or $$"),
    (
        STEP % "{run: x, input: {repo: images, glob: '/(*)', on: 7}}",
        "3:54",
        'expected a key such as "$1", found a number',
    ),
    (STEP % '{run: x, input: {repo: images, glob: "/(*)", on: "a\\nb"}}', "3:54", "a key has no line breaks"),
    (STEP % "{run: x, input: {repo: images, glob: '/(*)', on: $1}}", "3:21", "there is none around this input"),
    (
        STEP % "{run: x, input: {group: [{join: [{repo: images, glob: '/(*)', on: $1}]}]}}",
        "3:30",
        "no input of this part",
    ),
    (STEP % "{run: x, input: {join: []}}", "3:28", "at least one input"),
    (STEP % "{run: x, input: {join: ['images:/*']}}", "3:29", '"images" has no key in the join; give it `on`'),
    (STEP % "{run: x, input: {group: ['images:/*']}}", "3:30", '"images" has no key in the group; give it `group`'),
    (STEP % "{run: x, input: {group: $1}}", "3:21", "`repo` is missing"),
    (STEP % "{run: x, input: {union: ['images:/*'], as: x}}", "3:44", "`as` cannot stand beside `union`"),
    (
        STEP % "{run: x, input: [{union: [{repo: images, glob: /}, {repo: b, glob: /, as: images}]}]}",
        "3:56",
        "are named",
    ),
    (STEP % "{run: x, input: {cron: daily}}", "3:28", "expected five fields"),
    (STEP % "{run: x, input: {cron: '61 * * * *'}}", "3:28", "cron '61 * * * *'"),
    (STEP % "{run: x, input: {cron: '@daily', tz: Nowhere/City}}", "3:42", 'there is no time zone "Nowhere/City" here'),
    (STEP % "{run: x, input: {cron: '@daily', catchup: some}}", "3:47", 'expected "none" or "latest" or "all"'),
    (STEP % "{run: x, input: {cron: '@daily', glob: /*}}", "3:38", "`glob` cannot stand beside `cron`"),
    (STEP % f"{{run: x, input: {{cron: '@daily', as: {'x' * 63}}}}}", "3:21", "too long; give it a shorter `as`"),
    ("repos: {s-tick: }\nsteps:\n  s: {run: x, input: {cron: '@daily'}}", "3:22", "a repo of something else"),
    (STEP % ("{run: x, input: " + "{cross: [" * 21 + "'images:/'" + "]}" * 21 + "}"), "3:210", "inside each other"),
    (STEP % f"{{run: x, input: {{cross: [{named(201)}]}}}}", "3:29", "201 inputs, and at most 200 can be combined"),
    (STEP % f"{{run: x, input: {{join: [{{cross: [{named(200)}]}}, 'b:/']}}}}", "3:28", "201 inputs, and at most 200"),
    (STEP % "{run: x, input: {repo: images, glbo: /*}}", "3:36", 'did you mean "glob"?'),
    (STEP % "{run: x, input: {repo: images}}", "3:21", "`glob` is missing"),
    (STEP % "{run: x, input: {glob: /*}}", "3:21", "`repo` is missing"),
    (STEP % "{run: x, input: {repo: images, glob: '/{a'}}", "3:42", 'offset 1: "{" is never closed'),
    (STEP % "{run: x, input: {repo: images, glob: [/]}}", "3:42", "expected a glob, found a list"),
    (STEP % "{run: x, input: ['images:/a', 'images:/b']}", "3:35", 'two inputs are named "images"'),
    (STEP % "{run: x, input: {repo: images, glob: /, as: out}}", "3:21", 'cannot be named "out"'),
    (STEP % "{run: x, input: 's:/'}", "3:21", "cannot read what it writes"),
    # after
    (STEP % "{run: x, after: 7}", "3:21", "expected a list of steps"),
    (STEP % "{run: x, after: t}", "3:21", "expected a list of steps, or a mapping such as {step: end}, found text"),
    (STEP % "{run: x, after: [t]}", "3:22", 'there is no step "t"; known: "s"'),
    (STEP % "{run: x, after: [7]}", "3:22", "expected a name, found a number"),
    (STEP % "{run: x, after: {t: end}}", "3:22", 'there is no step "t"'),
    (STEP % "{run: x, after: {s: done}}", "3:25", 'expected "success" or "end", found "done"'),
    ("steps:\n  aa: {run: x}\n  b: {run: x, after: [aa, aa]}", "3:27", '"aa" stands there twice'),
    ("steps:\n  edges: {run: x}\n  b: {run: x, after: [egdes]}", "3:23", 'did you mean "edges"?'),
    (STEP % "{run: x, on_upstream_failure: stop}", "3:35", 'expected "cancel" or "continue", found "stop"'),
    # params and each
    ("params: [1]\nsteps: {s: {run: x}}", "1:9", "params: expected a mapping"),
    ("params: {a-b: 1}\nsteps: {s: {run: x}}", "1:10", '"a-b" cannot be the name of a variable'),
    ("params: {a: {b: .nan}}\nsteps: {s: {run: x}}", "1:17", "nan is no number that JSON can hold"),
    ('params: {a: ["\\0"]}\nsteps: {s: {run: x}}', "1:14", "NUL"),
    (STEP % "{run: x, params: {1a: 1}}", "3:23", '"1a" cannot be the name of a variable'),
    (STEP % "{run: x, each: [1]}", "3:20", "each: expected a mapping"),
    (STEP % "{run: x, each: {a: 1}}", "3:24", "expected a list of values, or a range"),
    (STEP % "{run: x, each: {a: }}", "3:24", "found nothing"),
    (STEP % "{run: x, each: {a: []}}", "3:24", "no value in it"),
    (STEP % "{run: x, each: {a: [1, 2, 1]}}", "3:31", "given before, at 3:25"),
    (STEP % "{run: x, each: {a: [&x 1, *x]}}", "3:31", "given before, at 3:25"),
    (STEP % "{run: x, each: {zip: {a: [&x {b: 1}, *x]}}}", "3:42", "given before, at 3:31"),
    (STEP % "{run: x, outputs: [&x b, *x]}", "3:30", '"b" stands there twice'),
    (STEP % "{run: x, input: {cron: '@every 300ms'}}", "3:28", "expected whole seconds after @every"),
    (STEP % "{run: x, input: {cron: 'TZ=UTC @daily', tz: No/Where}}", "3:49", "there is no time zone"),
    (STEP % "{run: x, input: {cron: 'TZ=Asia/Tokyo @daily', tz: UTC}}", "3:56", "names a time zone already"),
    (STEP % "{run: x, each: {a: 1...9}}", "3:24", 'found "1...9"'),
    (STEP % "{run: x, each: {a: 9..1}}", "3:24", "no value in it"),
    (STEP % "{run: x, each: {a: 1..9..0}}", "3:24", "a stride of 0"),
    (STEP % "{run: x, each: {a: 0..999999999999999999}}", "3:24", "more than 10,000,000 combinations"),
    (STEP % "{run: x, each: {a: 1..4000, b: 1..4000}}", "3:36", "more than 10,000,000 combinations"),
    (STEP % "{run: x, params: {a: 1}, each: {a: [1]}}", "3:37", "is a parameter already, at p.yaml:3:23"),
    ("params: {a: 1}\nsteps: {s: {run: x, each: {a: [1]}}}", "2:28", "is a parameter already, at p.yaml:1:10"),
    # what is quoted cannot break the line or fill the screen
    ('"st\\neps": 1', "1:1", 'unknown key "st\\neps"'),
    (f"? {'x' * 5000}\n: 1", "1:3", "xxx … xxx"),
    # the rest
    (STEP % "{run: x, code: 7}", "3:20", "expected a glob or a list of globs, found a number"),
    (STEP % "{run: x, code: ['*.py', '[']}", "3:29", 'offset 0: "[" is never closed'),
    (STEP % "{run: x, workdir: /tmp}", "3:23", "relative to the project"),
    (STEP % "{run: x, workdir: .penstock}", "3:23", "Penstock keeps its own data"),
    (STEP % "{run: x, env: [a]}", "3:19", "env: expected a mapping"),
    (STEP % "{run: x, env: {conda: debian}}", "3:20", "`conda` is not supported by this version"),
    (STEP % "{run: x, env: {inherit: yes}}", "3:29", 'expected true or false, found text "yes"'),
    (STEP % "{run: x, env: {vars: {A: [1]}}}", "3:30", "vars.A: expected text, found a list"),
    (STEP % "{run: x, env: {vars: {A-B: x}}}", "3:27", "cannot be the name of a variable"),
    (STEP % "{run: x, env: {vars: {PENSTOCK_RUN: x}}}", "3:27", "are set by Penstock"),
    (STEP % "{run: x, output: a/b}", "3:22", '"a/b" is no name'),
    (STEP % "{run: x, resources: {nodes: 0}}", "3:33", "expected a number from 1 to"),
    (STEP % "{run: x, resources: {memory: much}}", "3:34", '"much" is no size'),
    (
        STEP % "{run: x, resources: {memory: 4}}",
        "3:34",
        "4 bytes are less than any program needs; write a unit, such as 4GiB",
    ),
    (STEP % "{run: [python3, nope.py], output: r}", "3:11", 'there is no file "nope.py" in the project'),
    (STEP % "{cmd: x}", "3:6", 'unknown key "cmd"; here it is `run`'),
    (STEP % "{run: x, deps: [a]}", "3:14", 'unknown key "deps"; here it is `input`'),
    (STEP % "{run: x, memory: 4GB}", "3:14", 'unknown key "memory"; here it is `resources`'),
    (STEP % "{run: x, resources: {mem: 4GB}}", "3:26", 'unknown key "mem"; here it is `memory`'),
    ("stages: {}", "1:1", 'unknown key "stages"; here it is `steps`'),
    (STEP % "{run: x, input: *}", "3:22", "quote a value that begins with * or &"),
    (STEP % "{run: x, resources: {memory: 0}}", "3:34", "expected a size of more than nothing"),
    (STEP % "{run: x, resources: {memory: true}}", "3:34", "expected a size such as 4GiB, found true or false"),
    (STEP % "{run: x, resources: {time: 0}}", "3:32", "expected a duration longer than nothing"),
    (STEP % "{run: x, resources: big}", "3:25", 'there is no set of resources "big"; there are none'),
    ("resource_sets: {big: {cpus: 2}}\n" + STEP % "{run: x, resources: bit}", "4:25", 'did you mean "big"?'),
    ("resource_sets: {big: small, small: {}}\nsteps: {s: {run: x}}", "1:22", 'no set of resources "small"'),
    (STEP % "{run: x, batch: true, resources: {gpus: 1}}", "3:21", "its process outlives the tasks"),
    (STEP % "{run: x, retry: {on: [weather]}}", "3:27", 'expected "exit" or "signal"'),
    (STEP % "{run: x, retry: {on: [256]}}", "3:27", "expected a number from 0 to 255"),
    (STEP % "{run: x, retry: {memory: 1.5x}}", "3:21", "more memory than what?"),
    (STEP % "{run: x, retry: {time: 2}}", "3:21", "more time than what?"),
    (STEP % "{run: x, resources: {memory: 1g}, retry: {memory: 0.5x}}", "3:55", "how many times as much"),
    (STEP % "{run: x, retry: []}", "3:21", "expected at least one rule"),
    (STEP % "{run: x, retry: [{timeout: 1}, {timeout: 2}]}", "3:46", "`timeout` holds for all rules"),
    (STEP % '{each: {i: [1]}, run: "echo {i}"}', "3:27", 'write "$PENSTOCK_PARAM_I", or a list of words'),
    (
        "sites: {far: {kind: slurm}}\n" + STEP % "{run: x, site: far, resources: {nodes: 2}}",
        "4:36",
        'resources: it asks for 2 nodes, and site "far" gives a task one; say `per: task` there',
    ),
    (
        "sites: {far: {kind: slurm, walltime: 2m}}\n" + STEP % "{run: x, site: far, supports_termination: true}",
        "4:47",
        'step "s": grace: 120 s, and site "far" lends nodes for 120 s; lower it, or raise `walltime` there',
    ),
    (STEP % '{each: {i: [1]}, run: [echo, "{i:999999999999999d}"]}', "3:27", "is wider than 1,000 characters"),
    (STEP % '{each: {i: [1]}, run: [echo, "{i:.1001f}"]}', "3:27", "{i:.1001f}: 1 cannot be written so: it is wider"),
    (STEP % "{run: x, each: {i: [1], I: [2]}}", "3:29", '"I" and "i", at p.yaml:3:21, are both $PENSTOCK_PARAM_I'),
    (STEP % "{run: x, params: {i: 1}, each: {I: [2]}}", "3:37", "are both $PENSTOCK_PARAM_I"),
    (STEP % "{run: x, params: {i: 1, I: 2}}", "3:29", "are both $PENSTOCK_PARAM_I; give one of them another name"),
    ("params: {I: 1}\n" + STEP % "{run: x, params: {i: 1}}", "4:23", "are both $PENSTOCK_PARAM_I"),
    (STEP % '{each: {i: [a]}, run: [echo, "{i:03d}"]}', "3:27", "{i:03d}: 'a' cannot be written so"),
    (STEP % "{each: {zip: {a: [1], b: [1, 2]}}, run: [x]}", "3:18", "as many values each; a has 1, b has 2"),
    (STEP % "{each: {zip: {}}, run: [x]}", "3:18", "as many values each; there are none"),
    (STEP % "{each: {a: [1], zip: {a: [1]}}, run: [x]}", "3:27", '"a" was given before, at 3:13'),
    (STEP % "{params: {a: 1}, each: {zip: {a: [1]}}, run: [x]}", "3:35", '"a" is a parameter already'),
    (STEP % '{each: {a: [1]}, batch: true, run: [x, "{a}"]}', "3:29", "its process serves tasks of all parameters"),
    (STEP % "{run: x, retry: {between: []}}", "3:31", "expected the name of a command first"),
    (STEP % "{run: x, priority: high}", "3:24", "expected a whole number"),
    ("sort: fast\nsteps: {s: {run: x}}", "1:7", 'expected "gpus_runtime_memory"'),
    (STEP % "{run: x, resources: {cpus: 1.5}}", "3:32", "expected a whole number, found a number 1.5"),
    (STEP % "{run: x, resources: {cpus: 0}}", "3:32", "from 1 to 100000, found 0"),
    (STEP % "{run: x, retry: {tries: 1001}}", "3:29", "from 1 to 1000, found 1001"),
    (STEP % "{run: x, retry: {tries: true}}", "3:29", "expected a whole number, found true or false"),
    (STEP % "{run: x, retry: {timeout: soon}}", "3:31", '"soon" is no duration'),
    (STEP % "{run: x, retry: {timeout: 0}}", "3:31", "longer than nothing"),
    (STEP % "{run: x, retry: {timeout: [1]}}", "3:31", "expected a duration such as 10m, found a list"),
    (STEP % "{run: x, reuse: yes}", "3:21", 'expected true or false, found text "yes"'),
    (STEP % "{run: x, reuse: {code: false}}", "3:22", "`code` is not supported by this version"),
    # values that not every part they pass can hold
    (f"params: {{q: {1 << 64}}}\n" + STEP % "{run: x}", "1:13", "more than 64 bits; write it in quotes"),
    (STEP % f"{{run: x, params: {{q: [1, {-(1 << 63) - 1}]}}}}", "3:30", "more than 64 bits"),
    (STEP % f"{{run: x, each: {{q: [{1 << 64}]}}}}", "3:25", "more than 64 bits"),
    (f"data: {{d: {{value: {{a: {1 << 70}}}}}}}\n" + STEP % "{run: x}", "1:23", "more than 64 bits"),
    ("data: {d: {value: " + "x" * (1 << 20) + "}}\n" + STEP % "{run: x}", "1:19", "1,048,578 bytes as JSON"),
    # places in commands
    (STEP % '{run: [x, "{no}"]}', "3:15", "{no} names no parameter; there are none; name it in `params` or `each`"),
    (STEP % '{run: [x, a, "o/{no:03d}.csv"], params: {b: 1}, each: {a: [1]}}', "3:18", "there are a, b"),
    (STEP % '{run: "x --out o/{no} > y"}', "3:11", "{no} names no parameter"),
    (STEP % '{run: "echo {p}", params: {p: 1}}', "3:11", "in a text for the shell, where a value could say anything"),
    ("params: {p: 1}\n" + STEP % "{run: \"echo '{p}'\"}", "4:11", 'write "$PENSTOCK_PARAM_P", or a list of words'),
    (STEP % '{run: [bash, -ec, "echo {p}"], params: {p: 1}}', "3:11", "{p} in a text for the shell"),
    (STEP % '{run: [x, "{p:d}"], params: {p: a}}', "3:11", "{p:d}: 'a' cannot be written so"),
    (STEP % '{run: [x, "{p}"], batch: true, params: {p: a}}', "3:30", "`run` names one"),
    (STEP % '{run: [x], err_run: [y, "{p}"], params: {p: a}}', "3:29", "{p} is filled in `run` alone; read "),
    # paths with places
    (STEP % '{run: x, each: {i: [1, ../y]}, outputs: ["o/{i}"]}', "3:46", '"o/../y": expected a path below'),
    (STEP % '{run: x, each: {i: [1, y]}, outputs: [{file: "o-{i:03d}"}]}', "3:50", "'y' cannot be written so"),
    (STEP % '{run: x, each: {i: [1, 2], j: [1, 2]}, outputs: ["{i}", "{j}"]}', "3:61", '"1" stands there twice'),
    (STEP % '{run: x, outputs: ["o-{i}"]}', "3:24", "has no * ? [ ]"),
    (STEP % '{run: x, each: {i: "1..1000001"}, outputs: ["o-{i}"]}', "3:49", "more than 1,000,000 paths"),
    # between steps
    ("steps:\n  a: {run: x, output: r}\n  b: {run: x, output: r}", "3:23", 'as step "a" does at p.yaml:2:23'),
    ("steps:\n  a: {run: x, input: 'images:/'}\n  b: {run: x, output: a}", "3:23", 'as step "a" does at p.yaml:2:3'),
    ("repos: {r: {path: p}}\nsteps:\n  a: {run: x, output: r}", "3:23", 'linked to the directory "p" at p.yaml:1:9'),
    ("steps:\n  a: {run: x, after: [a]}", "2:23", "cycle: a -> a"),
    ("steps:\n  a: {run: x, after: [b]}\n  b: {run: x, after: [a]}", "2:23", "cycle: a -> b -> a"),
    (
        "steps:\n  z: {run: x}\n  a: {run: x, after: [z, c], output: a}\n  b: {run: x, input: 'a:/'}\n"
        "  c: {run: x, input: 'b:/'}\n",
        "3:26",
        "cycle: a -> b -> c -> a",
    ),
]


def read(text: str, file: str) -> None:
    read_pipeline(text, file, known_repos={"images"}, has_file={"there.sh"}.__contains__, default_name="project")


@pytest.mark.parametrize(("text", "place", "phrase"), BAD)
def test_one_error_at_the_place_to_change(text: str, place: str, phrase: str) -> None:
    with pytest.raises(BadSpec) as caught:
        read(text, "p.yaml")
    assert (caught.value.where, phrase in caught.value.message) == (f"p.yaml:{place}", True), str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_a_project_whose_directory_is_no_name_asks_for_one() -> None:
    with pytest.raises(BadSpec) as caught:
        read_pipeline("steps: {s: {run: x}}", "p.yaml", known_repos=(), has_file=bool, default_name="my project")
    assert (
        str(caught.value)
        == 'p.yaml:1:1: the pipeline: "my project" cannot be its name; give it one, such as pipeline: work'
    )


def test_json_errors_have_places_too() -> None:
    with pytest.raises(BadSpec) as caught:
        read('{\n  "steps": {"s": {"rum": []}}\n}', "p.json")
    assert str(caught.value) == 'p.json:2:19: step "s": unknown key "rum"; did you mean "run"?'
