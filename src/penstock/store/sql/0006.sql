-- What results were made of, beside what can be read off a step.

-- The frozen code that a task opened and that is not found by reading its command: root of a tree, empty for none.
alter table task add column reading blob not null default x'';
-- All that the results of a job depend on of it; and the tree in which its tasks run, if that is not its version's.
alter table job add column reading blob not null default x'';
alter table job add column layout blob not null default x'';

-- The same work gives one result for each state of what it read.
create table result (
    fingerprint blob not null,
    reading     blob not null,
    task        integer not null,
    created     integer not null,
    primary key (fingerprint, reading)
) without rowid;
-- Of what was done before nobody knows what it opened: of steps that publish, all that stood in the frozen code counts.
create temp view published as
select job.seq as job, version.code as code from job
join version on version.pipeline = job.pipeline and version.number = job.version
where job.repo is not null and job.state = 'done';
update job set reading = (select code from published where published.job = job.seq)
where seq in (select job from published);
update task set reading = (select code from published where published.job = task.job)
where job in (select job from published) and outcome = 'succeeded';
insert into result
select success.fingerprint, coalesce(task.reading, x''), success.task, success.created
from success left join task on task.seq = success.task;
drop view published;
drop table success;
alter table result rename to success;

-- What stands in the way for now: of a site, or of a linked directory that is watched.

create table trouble (
    subject text primary key,
    message text not null,
    since   integer not null
) without rowid;

-- Files in place: how those that a step makes were left.

-- `mark` is what the task is known by whose newest try it was, in hex; of what tasks share, what stands for all.
create table place (
    pipeline text not null,
    step     text not null,
    path     text not null,
    mark     text not null,
    good     integer not null,
    state    text not null,
    primary key (pipeline, step, path)
) without rowid;

-- The jobs that published to a repo, whatever their steps were called.
create index job_repo on job (repo, seq) where repo is not null;

-- The job whose good tasks one takes over when it begins, as only what did not succeed there is to run.
alter table job add column rest_of integer;
