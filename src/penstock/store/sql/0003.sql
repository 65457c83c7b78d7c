-- Jobs that say what their tasks cost; single tasks that people stop, hold and have tried again.

-- Attempts whose worker was lost.
alter table job add column restarts integer not null default 0;
-- Sums over the attempts, and the most memory any of them needed.
alter table job add column download_seconds real not null default 0;
alter table job add column upload_seconds real not null default 0;
alter table job add column cpu_seconds real not null default 0;
alter table job add column peak_memory integer not null default 0;
-- Root of the map of join and group keys.
alter table job add column keys blob not null default x'';
-- Why its output is not where its step asks, as far as that is known.
alter table job add column unexported text;

alter table task add column hold text;
alter table task add column stop text;
-- The number of the attempt that is to end so that there is another one.
alter table task add column again integer;
create index task_stopped on task (seq) where stop is not null and state <> 'done';

-- The commits of a run.
create index commit_run on "commit" (run);

-- The pipeline of the input that a trigger is for.
alter table trigger add column pipeline text;

-- A repo that gets a file at each time of a `cron` input.
create table clock (
    repo      text primary key references repo (name) on delete cascade,
    pipeline  text not null references pipeline (name),
    cron      text not null,
    tz        text not null,
    overwrite integer not null,
    catchup   text not null check (catchup in ('none', 'latest', 'all')),
    ticked    integer not null
) without rowid;

-- When somebody told it to sleep: commits open no jobs of it.
alter table pipeline add column stopped integer;
