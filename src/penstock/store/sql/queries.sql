-- Every question the code asks the database, by name. Columns of a noun come in the order of its fields (`select *`).

-- name: repos
-- All repos by name.
select * from repo order by name;

-- name: repo
-- One repo.
select * from repo where name = :name;

-- name: link_repo
-- Link a repo to a directory, or unlink it.
update repo set path = :path where name = :name;

-- name: delete_repo
-- Forget a repo with its branches and commits.
delete from repo where name = :name;

-- name: branches
-- The branches of a repo by name.
select * from branch where repo = :repo order by name;

-- name: branch
-- One branch.
select * from branch where repo = :repo and name = :name;

-- name: set_head
-- Make a branch point to a commit, creating it where missing.
insert into branch (repo, name, head, created) values (:repo, :name, :head, :created)
on conflict (repo, name) do update set head = :head;

-- name: delete_branch
-- Forget a branch; its commits stay.
delete from branch where repo = :repo and name = :name;

-- name: unset_heads
-- Let a repo's branches point nowhere, before it is deleted.
update branch set head = null where repo = :repo;

-- name: commit
-- One commit of one repo.
select * from "commit" where repo = :repo and id = :id;

-- name: commits_like
-- Commits of a repo by the beginning of their id.
select * from "commit" where repo = :repo and id glob :pattern order by seq limit 2;

-- name: commits_of_repo
-- A page of a repo's commits, newest first.
select * from "commit" where repo = :repo and seq < :before order by seq desc limit :limit;

-- name: commits_of_branch
-- A page of a branch's own commits, newest first.
select * from "commit" where repo = :repo and branch = :branch and seq < :before order by seq desc limit :limit;

-- name: delete_commit
-- Forget a commit.
delete from "commit" where repo = :repo and id = :id;

-- name: heads_at
-- Branches that point to a commit.
select * from branch where repo = :repo and head = :id;

-- name: reparent
-- Let the children of a commit, and those it was merged into, continue from its parent.
update "commit" set parent = iif(parent = :id, :parent, parent), merged = iif(merged = :id, :parent, merged)
where repo = :repo and (parent = :id or merged = :id);

-- name: open_commit
-- The open commit of a branch.
select * from "commit" where repo = :repo and branch = :branch and finished is null;

-- name: open_commits
-- All open commits; those of one id belong together. By their index: the order alone would have all commits read.
select * from "commit" indexed by commit_open where finished is null order by seq;

-- name: set_opened
-- Say of the commits of an id which run they opened.
update "commit" set run = :run where id = :run and run is null;

-- name: line
-- A commit and those before it, newest first: `limit` of them after the first `skip`.
with recursive line (id, parent, back) as (
    select id, parent, 0 from "commit" where repo = :repo and id = :id
    union all
    select c.id, c.parent, line.back + 1 from line join "commit" c on c.repo = :repo and c.id = line.parent
    where line.back + 1 < :skip + :limit
)
select c.* from line join "commit" c on c.repo = :repo and c.id = line.id where line.back >= :skip order by line.back;

-- name: from_start
-- The commit at a place of a branch's history, counted from its first one.
with recursive line (id, parent, back) as (
    select id, parent, 0 from "commit" where repo = :repo and id = :id
    union all
    select c.id, c.parent, line.back + 1 from line join "commit" c on c.repo = :repo and c.id = line.parent
)
select * from "commit" where repo = :repo
    and id = (select id from line order by back desc limit 1 offset :nth - 1);

-- name: commits_since
-- How many commits there are from one back to another or to the first, counted up to `most`.
with recursive line (id, parent, number) as (
    select id, parent, 1 from "commit" where repo = :repo and id = :id and id is not :since
    union all
    select c.id, c.parent, line.number + 1 from line join "commit" c on c.repo = :repo and c.id = line.parent
    where c.id is not :since and line.number < :most
)
select count(*) as commits from line;

-- name: both_lines
-- What two commits come from, newest first; what both do comes twice in a row.
with recursive walk (seq, id, parent, merged, side) as (
    select seq, id, parent, merged, 1 from "commit" where repo = :repo and id = :ours
    union select seq, id, parent, merged, 2 from "commit" where repo = :repo and id = :theirs
    union select c.seq, c.id, c.parent, c.merged, walk.side
        from walk join "commit" c on c.repo = :repo and c.id = walk.parent
    union select c.seq, c.id, c.parent, c.merged, walk.side
        from walk join "commit" c on c.repo = :repo and c.id = walk.merged
    order by 1 desc
)
select id from walk limit :limit;

-- name: children
-- The commits that follow one or merged it, oldest first.
select * from "commit" where repo = :repo and (parent = :id or merged = :id) order by seq;

-- name: triggers
-- The branches of a repo that move by themselves.
select * from trigger where repo = :repo order by branch;

-- name: timed_triggers
-- The branches that may move although nobody commits.
select * from trigger where every is not null or cron is not null order by repo, branch;

-- name: delete_trigger
-- Let a branch no longer move by itself.
delete from trigger where repo = :repo and branch = :branch;

-- name: triggers_of
-- The branches that move for the inputs of a pipeline.
select * from trigger where pipeline = :pipeline;

-- name: delete_triggers_of
-- Let branches no longer move for the inputs of a pipeline.
delete from trigger where pipeline = :pipeline;

-- name: fired
-- Remember when a trigger fired.
update trigger set fired = :now where repo = :repo and branch = :branch;

-- name: clocks
-- The repos that get a file at certain times.
select * from clock order by repo;

-- name: delete_clocks
-- Let a pipeline's repos of ticks no longer get any.
delete from clock where pipeline = :pipeline;

-- name: ticked
-- Remember up to when all ticks of a repo are made.
update clock set ticked = :moment where repo = :repo;

-- name: pipelines
-- Pipelines that are not deleted, with the version in force.
select p.name, p.version, p.created, p.stopped, v.created as updated, v.file, v.spec
from pipeline p join version v on v.pipeline = p.name and v.number = p.version
where p.deleted is null order by p.name;

-- name: pipeline
-- One pipeline, deleted ones too.
select * from pipeline where name = :name;

-- name: set_pipeline
-- Put a version of a pipeline in force, creating the pipeline where missing.
insert into pipeline (name, project, owner, version, deleted, created)
values (:name, :project, :owner, :version, null, :created)
on conflict (name) do update set version = :version, deleted = null;

-- name: delete_pipeline
-- Take a pipeline out of force; its versions, runs and results stay readable.
update pipeline set deleted = :now, stopped = null where name = :name;

-- name: stop_pipeline
-- Let commits open no jobs of a pipeline any more, or let them again.
update pipeline set stopped = :moment where name = :name;

-- name: version
-- One version of a pipeline.
select * from version where pipeline = :pipeline and number = :number;

-- name: versions
-- All versions of a pipeline, newest first.
select * from version where pipeline = :pipeline order by number desc;

-- name: publishers
-- Which step publishes to which repo.
select * from publisher order by repo;

-- name: set_publisher
-- Let a step publish to a repo.
insert into publisher (repo, pipeline, step, place) values (:repo, :pipeline, :step, :place);

-- name: delete_publishers
-- Forget what a pipeline publishes.
delete from publisher where pipeline = :pipeline;

-- name: active_runs
-- Runs that are started and not done, oldest first.
select * from run where state <> 'done' and state = 'active' order by seq;

-- name: run
-- One run by id.
select * from run where id = :id;

-- name: runs_like
-- Runs by the beginning of their id.
select * from run where id glob :pattern order by seq limit 2;

-- name: runs
-- A page of runs, newest first.
select * from run where seq < :before order by seq desc limit :limit;

-- name: last_run
-- The newest run that was started.
select * from run where state <> 'draft' order by seq desc limit 1;

-- name: runs_of
-- A page of a pipeline's runs, newest first.
select * from run where pipeline = :pipeline and seq < :before order by seq desc limit :limit;

-- name: stop_run
-- Ask a run to end.
update run set stop = :reason where id = :id and state <> 'done' and stop is null;

-- name: hold_run
-- Hold a run, or let it go on.
update run set hold = :hold where id = :id and state <> 'done';

-- name: active_jobs
-- The jobs of runs that are not done.
select job.* from job join run on run.id = job.run where run.state <> 'done' order by job.seq;

-- name: active_edges
-- Edges to jobs that are not done.
select edge.* from edge join job on job.seq = edge.job where job.state <> 'done';

-- name: job
-- One job by number.
select * from job where seq = :seq;

-- name: commits_of_run
-- The commits a run made or was opened by, in the order they were made.
select * from "commit" where id = :run or run = :run order by seq;

-- name: jobs_of_run
-- The jobs of a run, in the order they were made.
select * from job where run = :run order by seq;

-- name: job_named
-- The jobs of one step in one run (several pipelines may have a step of that name).
select * from job where run = :run and step = :step order by seq;

-- name: jobs
-- A page of jobs, newest first.
select * from job where seq < :before order by seq desc limit :limit;

-- name: jobs_of_step
-- A page of a step's jobs, newest first.
select * from job where step = :step and (:pipeline is null or pipeline = :pipeline) and seq < :before
order by seq desc limit :limit;

-- name: jobs_of_repo
-- A page of the jobs that publish to a repo, whatever their steps were called, newest first.
select * from job where repo = :repo and seq < :before order by seq desc limit :limit;

-- name: names_of_repo
-- What steps were called that published to this repo and to no other one.
select pipeline, step from (select distinct pipeline, step from job where repo = :repo) as mine
where not exists (
    select 1 from job as other
    where other.pipeline = mine.pipeline and other.step = mine.step and other.repo is not null and other.repo <> :repo
)
order by pipeline, step;

-- name: jobs_among
-- A page of jobs, newest first, of a step or of all, that have one of some outcomes, or states where they have none.
select * from job
where (:step is null or step = :step and (:pipeline is null or pipeline = :pipeline)) and seq < :before
    and coalesce(outcome, state) in (select value from json_each(:among))
order by seq desc limit :limit;

-- name: base_job
-- The last earlier job of a step that knows its bindings.
select * from job where pipeline = :pipeline and step = :step and seq < :before and expanded
order by seq desc limit 1;

-- name: unfinished_publishers
-- Jobs that will still publish to a repo.
select * from job where repo = :repo and state <> 'done' order by seq;

-- name: readers
-- Jobs that read a commit, newest first.
select * from job where instr(inputs, :commit) and exists (
    select 1 from json_each(job.inputs) as item
    where json_extract(item.value, '$.repo') = :repo and json_extract(item.value, '$.commit') = :commit
) order by seq desc;

-- name: roots_there
-- The roots of all commits, once for each repo.
select distinct repo, root from "commit";

-- name: newest_rows
-- Which commits and jobs there are, and how many gave up their bytes, in few words.
-- Not by `seq`: what comes after the newest was deleted gets its number.
select (select count(*) || ' ' || max(id) || ' ' || count(forgotten) from "commit") as commits,
    (select count(*) || ' ' || max(run) from job) as jobs;

-- name: jobs_with_input
-- A page of the jobs that read commits, oldest first.
select * from job where inputs <> '[]' and seq > :after order by seq limit :limit;

-- name: forget_successes
-- Forget that the work of a run succeeded.
delete from success where task in (select task.seq from task join job on job.seq = task.job where job.run = :run);

-- name: forget_attempts
-- Forget the attempts of a run.
delete from attempt where task in (select task.seq from task join job on job.seq = task.job where job.run = :run);

-- name: forget_tasks
-- Forget the tasks of a run.
delete from task where job in (select seq from job where run = :run);

-- name: forget_edges
-- Forget what jobs of a run waited for, and what waited for them.
delete from edge where job in (select seq from job where run = :run) or upstream in (select seq from job where run = :run);

-- name: forget_bases
-- Forget which later jobs went on from jobs of a run.
update job set base = null where base in (select seq from job where run = :run);

-- name: forget_jobs
-- Forget the jobs of a run.
delete from job where run = :run;

-- name: forget_events
-- Forget the story of a run.
delete from event where run = :run;

-- name: forget_opener
-- Forget which run a commit opened.
update "commit" set run = null where id = :run and run = :run;

-- name: forget_run
-- Forget a run.
delete from run where id = :run;

-- name: forget_success
-- Forget that a fingerprint succeeded.
delete from success where fingerprint = :fingerprint;

-- name: forget_output
-- Forget what a task left.
update task set output = x'', files = 0 where seq = :seq;

-- name: edges_to
-- What a job waits for.
select * from edge where job = :job;

-- name: stop_job
-- Ask a job to end.
update job set stop = :reason where seq = :seq and state <> 'done' and stop is null;

-- name: refuse_job
-- Ask a job to end that can never go on.
update job set stop = :reason, message = :message where seq = :seq and state <> 'done' and stop is null;

-- name: hold_job
-- Hold a job, or let it go on.
update job set hold = :hold where seq = :seq and state <> 'done';

-- name: jobs_ahead
-- Jobs of earlier runs that publish to the same repo first.
select * from job where repo = :repo and seq < :seq and state <> 'done' order by seq;

-- name: ready_tasks
-- The next tasks of a job that may be placed.
select * from task where job = :job and state = 'ready' and seq > :after and hold is null order by seq limit :limit;

-- name: stop_task
-- Ask a task to end.
update task set stop = :reason where seq = :seq and state <> 'done' and stop is null;

-- name: hold_task
-- Hold a task, or let it go on.
update task set hold = :hold where seq = :seq and state <> 'done';

-- name: try_again
-- Ask that a task's attempt ends and another one follows.
update task set again = :attempt where seq = :seq and state = 'active';

-- name: stopped_tasks
-- Tasks that somebody stopped and that nobody has begun.
select * from task where stop is not null and state <> 'done' and state = 'ready' order by seq;

-- name: active_tasks
-- Every task in flight.
select * from task where state = 'active';

-- name: live_attempts
-- Every attempt that has not ended.
select * from attempt where state <> 'ended';

-- name: cancel_ready
-- Cancel what a job has not placed.
update task set state = 'done', outcome = 'cancelled', reason = :reason, finished = :now
where job = :job and state = 'ready';

-- name: task
-- Tasks by the beginning of their id, newest first; those that another job took over after those that ran.
select * from task where id glob :pattern order by reused, seq desc limit 50;

-- name: tasks_of_job
-- A page of a job's tasks.
select * from task where job = :job and seq > :after order by seq limit :limit;

-- name: tasks_among
-- A page of a job's tasks that have one of some outcomes, or states where they have none.
select * from task where job = :job and seq > :after and coalesce(outcome, state) in (select value from json_each(:among))
order by seq limit :limit;

-- name: unsucceeded_tasks
-- The bindings a job knows of and has no result for.
select * from task where job = :job and not (state = 'done' and outcome = 'succeeded');

-- name: succeeded_tasks
-- A page of the tasks of a job that succeeded.
select * from task where job = :job and state = 'done' and outcome = 'succeeded' and seq > :after
order by seq limit :limit;

-- name: first_tasks
-- The first tasks of a job that ended in one way.
select * from task where job = :job and outcome = :outcome order by seq limit :limit;

-- name: twin
-- A task in flight that does the same work.
select * from task where fingerprint = :fingerprint and state = 'active' limit 1;

-- name: attempts
-- The attempts of a task.
select * from attempt where task = :task order by number;

-- name: success
-- The tasks whose results stand for a fingerprint, newest first: each may have read something else of the code.
select task.* from success join task on task.seq = success.task where success.fingerprint = :fingerprint
order by success.created desc, task.seq desc;

-- name: successes
-- The tasks whose results stand for those of some fingerprints that succeeded; `marks` are these, of 32 bytes each, joined.
-- There may be several of one, newest first.
with recursive asked (at) as (
    select 1 where length(:marks) > 0
    union all
    select at + 32 from asked where at + 32 <= length(:marks)
)
select task.* from asked join success on success.fingerprint = substr(:marks, asked.at, 32)
join task on task.seq = success.task order by success.created desc, task.seq desc;

-- name: forget_tasks_of
-- Forget the tasks of a job that begins to find its bindings again; nobody has tried them.
delete from task where job = :job and not exists (select 1 from attempt where attempt.task = task.seq);

-- name: events_of_run
-- The story of a run.
select * from event where run = :run order by seq;

-- name: readings_of_job
-- What the tasks of a job read of the code, each once.
select distinct reading from task where job = :job and reading <> x'';

-- name: late_readings
-- What the last jobs of a step depended on of the code beside their recipe, if that is this one.
select distinct reading from (
    select reading, recipe from job where pipeline = :pipeline and step = :step order by seq desc limit 100
) where recipe = :recipe and reading <> x'';

-- name: readings_of_step
-- What the tasks of a step read of the code, and the run in which one did so last; the latest first.
select task.reading, job.run, max(job.seq) as last from task join job on job.seq = task.job
where job.pipeline = :pipeline and job.step = :step and task.reading <> x'' and not task.reused
group by task.reading order by last desc;

-- name: roots_of_tasks
-- A page of what tasks left whose jobs have not closed: no ledger names it yet.
select task.seq as place, 'output of task ' || task.id as what, task.output as root, task.reading
from task join job on job.seq = task.job
where job.state <> 'done' and (task.output <> x'' or task.reading <> x'') and task.seq > :after
order by task.seq limit :limit;

-- name: roots_of_results
-- A page of what results refer to: all of so many fingerprints.
select success.fingerprint as place, 'result of task ' || task.id as what, task.output as root, success.reading
from success join task on task.seq = success.task
where success.fingerprint in (
    select distinct fingerprint from success where fingerprint > :after order by fingerprint limit :limit
) order by success.fingerprint;

-- name: roots_of_jobs
-- A page of what jobs refer to.
select seq as place, step || '@' || run as what, repo, run, tree, ledger, owners, keys, reading, layout from job
where seq > :after order by seq limit :limit;

-- name: roots_of_commits
-- A page of commits whose bytes were not given up.
select seq as place, 'commit ' || repo || '@' || id as what, repo, id, root from "commit"
where forgotten is null and seq > :after order by seq limit :limit;

-- name: roots_of_code
-- The code of all versions.
select 'code of ' || pipeline || ' version ' || number as what, code as root from version;

-- name: set_keep
-- How many of a branch's commits keep their bytes, and how long.
update repo set keep_commits = :commits, keep_for = :micros where name = :name;

-- name: beyond_keeping
-- Commits of a repo that no rule keeps (nor a branch): beyond the newest `commits` of their branch, older than `before`.
select "commit".* from "commit" join (
    select seq, row_number() over (partition by branch order by seq desc) as place
    from "commit" where repo = :repo and finished is not null
) as line on line.seq = "commit".seq
where line.place > :commits and finished < :before and forgotten is null
    and not exists (select 1 from branch where branch.repo = "commit".repo and branch.head = "commit".id)
order by "commit".seq;

-- name: forget_bytes
-- Give up the bytes of a commit; it stays in the log.
update "commit" set forgotten = :now where repo = :repo and id = :id and forgotten is null;

-- name: forget_ledger
-- Let a job no longer refer to what it gave to a commit whose bytes were given up.
update job set ledger = x'', owners = x'', keys = x'', tree = x'' where run = :run and repo = :repo and state = 'done';

-- name: newest_jobs
-- Of each step the newest job that knows its bindings.
select * from job where seq in (select max(seq) from job where expanded group by pipeline, step);

-- name: ledgers_kept
-- A page of the ledgers of jobs whose commits keep their bytes.
select job.seq as place, job.repo, job.run, job.ledger from job
join "commit" on "commit".repo = job.repo and "commit".id = job.run
where "commit".forgotten is null and job.ledger <> x'' and job.seq > :after order by job.seq limit :limit;

-- name: old_results
-- A page of results made before a time: all of so many fingerprints.
select * from success where created < :before and fingerprint in (
    select distinct fingerprint from success where created < :before and fingerprint > :after
    order by fingerprint limit :limit
) order by fingerprint;

-- name: counted
-- Jobs whose counter of tasks left is not what their tasks say.
select job.step, job.run, job."left" as said, count(task.seq) as real
from job left join task on task.job = job.seq and task.state <> 'done'
group by job.seq having job."left" <> count(task.seq);

-- name: documents
-- A page of the user data of a pipeline and its steps, or of one step.
select * from document where pipeline = :pipeline and (:step is null or step = :step) and seq > :after
order by seq limit :limit;

-- name: document
-- One document by its key.
select * from document where seq = :seq;

-- name: document_named
-- One document by its name.
select * from document where pipeline = :pipeline and name = :name;

-- name: named_documents
-- The user data of a pipeline that has a name.
select * from document where pipeline = :pipeline and name <> '';

-- name: newest_document
-- The document that was made last.
select * from document order by seq desc limit 1;

-- name: documents_for
-- What hangs on one step, and what has one of some names (a JSON list).
select * from document where pipeline = :pipeline and step = :step
union
select document.* from json_each(:names) as wanted
join document on document.pipeline = :pipeline and document.name = wanted.value and document.name <> ''
order by seq;

-- name: document_holders
-- The steps that user data hangs on.
select distinct pipeline, step from document where step is not null;

-- name: delete_document
-- Take a document away.
delete from document where seq = :seq;

-- name: clear_ephemeral
-- Empty what lives no longer than from one start of a pipeline to the next.
update document set body = '', revision = revision + 1, run = null, updated = :now
where pipeline = :pipeline and ephemeral and body <> '';

-- name: numbers_of
-- The integers that stand for the steps of a pipeline.
select seq, step from number where pipeline = :pipeline;

-- name: numbered
-- What an integer stands for.
select * from number where seq = :seq;

-- name: give_numbers
-- Give every one of some steps (a JSON list) its integer that has none; null is the pipeline itself.
insert into number (pipeline, step)
select :pipeline, value from json_each(:steps) as wanted
where not exists (
    select 1 from number where pipeline = :pipeline and coalesce(step, '') = coalesce(wanted.value, '')
)
order by wanted.id;

-- name: last_number
-- How many runs a pipeline has had.
select coalesce(max(number), 0) as number from run where pipeline = :pipeline;

-- name: disabled
-- The steps that runs pass by.
select * from disabled order by pipeline, step;

-- name: disable
-- Let runs pass by a step.
insert or ignore into disabled (pipeline, step) values (:pipeline, :step);

-- name: enable
-- Let runs pass by a step no more.
delete from disabled where pipeline = :pipeline and step = :step;

-- name: draft
-- The run of a pipeline that is written down and not started.
select * from run where pipeline = :pipeline and state <> 'done' and state = 'draft' order by seq desc limit 1;

-- name: newest_of_steps
-- The newest job of each step of a pipeline.
select * from job where seq in (select max(seq) from job where pipeline = :pipeline group by step);

-- name: results
-- A page of the jobs of a pipeline in its runs that are counted, in the order they were made.
-- With the number of their run, and whether a command of theirs was ever started.
select job.seq, job.step, job.outcome, job.reason, job.exit_code, job.started, job.finished, job.process_seconds,
    run.number, exists (
        select 1 from task join attempt on attempt.task = task.seq
        where task.job = job.seq and attempt.started is not null
    ) as ran
from job join run on run.id = job.run
where run.pipeline = :pipeline and job.pipeline = :pipeline and run.number is not null and job.state = 'done'
    and job.kept is null and job.seq > :after
order by job.seq limit :limit;

-- name: events_of_pipeline
-- A page of the story of a pipeline's runs.
select event.* from run join event on event.run = run.id where run.pipeline = :pipeline and event.seq > :after
order by event.seq limit :limit;

-- name: used
-- What the tasks of each step came to, in one run or in all of a pipeline.
select pipeline, step, max(version) as version, min(seq) as first,
    sum(processed + failed + recovered) as tasks, sum(cpu_seconds) as cpu_seconds,
    sum(process_seconds) as process_seconds, max(peak_memory) as peak_memory
from job
where (run = :run or (:run is null and pipeline = :pipeline)) and kept is null
group by pipeline, step having sum(processed + failed + recovered) > 0 order by first;

-- name: longest
-- How many attempts the tasks of each step took, how long the longest one, in microseconds, and their memory.
-- `starved` is the most that those used that had too little, `fed` that of the others.
select job.pipeline, job.step, count(*) as tries, max(attempt.ended - attempt.started) as longest,
    max(case when attempt.reason = 'memory' then attempt.peak_memory end) as starved,
    max(case when attempt.reason is not 'memory' then attempt.peak_memory end) as fed
from job join task on task.job = job.seq join attempt on attempt.task = task.seq
where (job.run = :run or (:run is null and job.pipeline = :pipeline)) and attempt.started is not null
group by job.pipeline, job.step;

-- name: keep_jobs
-- Take jobs over into a run, as they are; `jobs` are their numbers, in the order they are to stand in.
insert into job (
    seq, run, pipeline, version, step, repo, created, state, outcome, reason, message, waits, failed_upstream,
    reached, inputs, base, recipe, parts, ledger, owners, tree, expanded, total, processed, reused, recovered,
    failed, cancelled, "left", files, size, download_bytes, upload_bytes, process_seconds, started, finished,
    restarts, download_seconds, upload_seconds, cpu_seconds, peak_memory, keys, unexported, exit_code,
    terminated, kept
)
select
    :first + place.key, :run, pipeline, version, step, repo, :now, state, outcome,
    reason, message, waits, failed_upstream, reached, inputs, base, recipe, parts, ledger, owners, tree,
    expanded, total, processed, reused, recovered, failed, cancelled, "left", files, size, download_bytes,
    upload_bytes, process_seconds, started, finished, restarts, download_seconds, upload_seconds, cpu_seconds,
    peak_memory, keys, unexported, exit_code, terminated, coalesce(kept, run)
from json_each(:jobs) as place cross join job on job.seq = place.value;

-- name: keep_tasks
-- Take the good tasks of a job over into another one, as they are; `but` are those that are not to be.
insert into task (
    seq, job, id, key, fingerprint, params, inputs, reuse, created, state, outcome, reason, message, reused, tries,
    attempts, output, files, finished, memory, seconds, crashes, reading
)
select
    :first + row_number() over (order by seq) - 1, :job, id, key, fingerprint, params, inputs, reuse, created, state,
    outcome, reason, message, 1, tries, attempts, output, files, finished, memory, seconds, crashes, reading
from task
where job = :of and state = 'done' and outcome = 'succeeded' and seq not in (select value from json_each(:but));

-- name: live_allocations
-- Those of which something may still run.
select * from allocation where state <> 'ended' order by seq;

-- name: allocations
-- The newest first.
select * from allocation order by seq desc limit :limit;

-- name: troubles
-- All that stands in the way for now.
select * from trouble order by subject;

-- name: set_trouble
-- Say what stands in the way, or that it is something else by now.
insert into trouble (subject, message, since) values (:subject, :message, :now)
on conflict (subject) do update set message = excluded.message, since = excluded.since;

-- name: clear_trouble
-- Nothing does any more.
delete from trouble where subject = :subject;

-- name: places
-- The files that a step makes where they are, as they were left.
select * from place where pipeline = :pipeline and step = :step order by path;

-- name: places_of
-- Those of some paths, a JSON list.
select * from place where pipeline = :pipeline and step = :step and path in (select value from json_each(:paths));

-- name: note_places
-- What tries left of files in place; `rows` are [pipeline, step, path, mark, good, state, wrote].
-- What a try did not write counts only if an earlier one of its step did.
insert into place (pipeline, step, path, mark, good, state)
select
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value -> 5
from json_each(:rows)
where value ->> 6 or exists (
    select 1 from place
    where place.pipeline = value ->> 0 and place.step = value ->> 1 and place.path = value ->> 2
)
on conflict (pipeline, step, path) do update set
    mark = excluded.mark, good = excluded.good, state = excluded.state;
