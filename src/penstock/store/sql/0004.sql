-- Resources and rules of retry; the memory of reuse by task; user data, numbers, disabled steps.

-- The how-manieth run of its pipeline.
alter table run add column number integer;
create unique index run_number on run (pipeline, number) where number is not null;

-- How the last attempt of a lone job ended.
alter table job add column exit_code integer;
-- Of the tasks that failed, those that left before the walltime because they were told to.
alter table job add column terminated integer not null default 0;

-- The run that did the work of a job that a restart took over.
alter table job add column kept text;

-- What the next attempt asks for, and how many workers were lost with the task.
alter table task add column memory integer not null default 0;
alter table task add column seconds real;
alter table task add column crashes integer not null default 0;

-- What a fingerprint gave is what its task left: one place for it.
create table result (
    fingerprint blob primary key,
    task        integer not null,
    created     integer not null
) without rowid;
insert into result
select success.fingerprint, max(task.seq), success.created from success
join task on task.id = success.task and task.fingerprint = success.fingerprint and task.outcome = 'succeeded'
group by success.fingerprint;
drop table success;
alter table result rename to success;

-- User data. `revision` counts its changes, `run` is the number of the run that wrote it, `said` the revision at which
-- somebody did.
create table document (
    seq       integer primary key autoincrement,
    pipeline  text not null references pipeline (name),
    step      text,
    name      text not null,
    ephemeral integer not null,
    body      text not null,
    revision  integer not null,
    run       integer,
    said      integer not null,
    created   integer not null,
    updated   integer not null
);
create unique index document_name on document (pipeline, name) where name <> '';
create index document_step on document (pipeline, step) where step is not null;

-- The integer that stands for a pipeline (step null) or one of its steps, given once.
create table number (
    seq      integer primary key autoincrement,
    pipeline text not null references pipeline (name),
    step     text
);
create unique index number_of on number (pipeline, coalesce(step, ''));

-- Steps that runs pass by.
create table disabled (
    pipeline text not null references pipeline (name),
    step     text not null,
    primary key (pipeline, step)
) without rowid;
