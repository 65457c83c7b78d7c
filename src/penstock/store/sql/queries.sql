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
-- Let the children of a commit continue from its parent.
update "commit" set parent = :parent where repo = :repo and parent = :id;

-- name: triggers
-- The branches of a repo that move by themselves.
select * from trigger where repo = :repo order by branch;

-- name: pipelines
-- Pipelines that are not deleted, with the version in force.
select p.name, p.version, p.created, v.created as updated, v.file, v.spec
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
update pipeline set deleted = :now where name = :name;

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
-- Runs that are not done, oldest first.
select * from run where state <> 'done' order by seq;

-- name: run
-- One run by id.
select * from run where id = :id;

-- name: runs_like
-- Runs by the beginning of their id.
select * from run where id glob :pattern order by seq limit 2;

-- name: runs
-- A page of runs, newest first.
select * from run where seq < :before order by seq desc limit :limit;

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

-- name: base_job
-- The last earlier job of a step that knows its bindings.
select * from job where pipeline = :pipeline and step = :step and seq < :before and expanded
order by seq desc limit 1;

-- name: unfinished_publishers
-- Jobs that will still publish to a repo.
select * from job where repo = :repo and state <> 'done' order by seq;

-- name: jobs_reading
-- Jobs whose inputs mention a commit.
select * from job where inputs glob :pattern order by seq desc limit 50;

-- name: edges_to
-- What a job waits for.
select * from edge where job = :job;

-- name: stop_job
-- Ask a job to end.
update job set stop = :reason where seq = :seq and state <> 'done' and stop is null;

-- name: hold_job
-- Hold a job, or let it go on.
update job set hold = :hold where seq = :seq and state <> 'done';

-- name: jobs_ahead
-- Jobs of earlier runs that publish to the same repo first.
select * from job where repo = :repo and seq < :seq and state <> 'done' order by seq;

-- name: ready_tasks
-- The next tasks of a job that may be placed.
select * from task where job = :job and state = 'ready' and seq > :after order by seq limit :limit;

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
-- Tasks by the beginning of their id, newest first.
select * from task where id glob :pattern order by seq desc limit 50;

-- name: tasks_of_job
-- A page of a job's tasks.
select * from task where job = :job and seq > :after order by seq limit :limit;

-- name: unsucceeded_tasks
-- The bindings a job knows of and has no result for.
select * from task where job = :job and not (state = 'done' and outcome = 'succeeded');

-- name: succeeded_tasks
-- The tasks of a job that succeeded and left something.
select * from task where job = :job and state = 'done' and outcome = 'succeeded';

-- name: failed_tasks
-- The first tasks of a job that failed.
select * from task where job = :job and outcome = 'failed' order by seq limit :limit;

-- name: twin
-- A task in flight that does the same work.
select * from task where fingerprint = :fingerprint and state = 'active' limit 1;

-- name: attempts
-- The attempts of a task.
select * from attempt where task = :task order by number;

-- name: last_token
-- The highest fencing token given so far.
select coalesce(max(token), 0) as token from attempt;

-- name: success
-- What a fingerprint gave.
select * from success where fingerprint = :fingerprint;

-- name: events_of_run
-- The story of a run.
select * from event where run = :run order by seq;

-- name: roots
-- Every root a row refers to, and who does.
select 'commit ' || repo || '@' || id as what, root, 1 as is_tree from "commit"
union all select 'code of ' || pipeline || ' version ' || number, code, 1 from version
union all select 'tree of job ' || step || '@' || run, tree, 1 from job
union all select 'ledger of job ' || step || '@' || run, ledger, 0 from job
union all select 'owners of job ' || step || '@' || run, owners, 0 from job
union all select 'result of task ' || task, output, 1 from success;

-- name: counted
-- Jobs whose counter of tasks left is not what their tasks say.
select job.step, job.run, job."left" as said, count(task.seq) as real
from job left join task on task.job = job.seq and task.state <> 'done'
group by job.seq having job."left" <> count(task.seq);
