-- Resources and rules of retry; the memory of reuse by task.

-- Of the tasks that failed, those that left before the walltime because they were told to.
alter table job add column terminated integer not null default 0;

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
