-- Nodes that batch systems lend.

create table allocation (
    seq     integer primary key autoincrement,
    site    text not null,
    name    text not null,
    element integer not null,
    cpus    integer not null,
    memory  integer not null,
    gpus    integer not null,
    nodes   integer not null,
    seconds integer not null,
    created integer not null,
    state   text not null check (state in ('asked', 'queued', 'running', 'parting', 'ended')),
    native  text,
    started integer,
    ended   integer,
    message text not null,
    unique (name, element),
    check ((state = 'ended') = (ended is not null)),
    check (state <> 'queued' or native is not null)
);
create index allocation_live on allocation (state) where state <> 'ended';
