-- Everything has a project and an owner at the top; ids of runs and commits are UUIDv7 hex, seq orders by age.

create table repo (
    seq            integer primary key,
    project        text not null,
    owner          text not null,
    name           text not null unique,
    path           text,
    default_branch text not null,
    created        integer not null
);

create table branch (
    repo    text not null references repo (name) on delete cascade,
    name    text not null,
    head    text,
    created integer not null,
    primary key (repo, name),
    foreign key (repo, head) references "commit" (repo, id)
) without rowid;

create table "commit" (
    seq     integer primary key,
    id      text not null check (length(id) = 32),
    repo    text not null references repo (name) on delete cascade,
    branch  text not null,
    parent  text,
    run     text,
    origin  text not null check (origin in ('put', 'link', 'job', 'copy')),
    root    blob not null,
    files   integer not null,
    size    integer not null,
    created integer not null,
    message text not null,
    error   text,
    unique (repo, id)
);
create index commit_id on "commit" (id);
create index commit_branch on "commit" (repo, branch, seq);

create table pipeline (
    name    text primary key,
    project text not null,
    owner   text not null,
    version integer not null,
    deleted integer,
    created integer not null
) without rowid;

create table version (
    pipeline    text not null references pipeline (name),
    number      integer not null,
    spec        text not null,
    code        blob not null,
    environment text not null,
    salt        text not null,
    file        text not null,
    created     integer not null,
    primary key (pipeline, number)
) without rowid;

-- Who publishes to a repo: one step in the whole project.
create table publisher (
    repo     text primary key,
    pipeline text not null references pipeline (name),
    step     text not null,
    place    text not null
) without rowid;

create table run (
    seq      integer primary key,
    id       text not null unique check (length(id) = 32),
    project  text not null,
    owner    text not null,
    pipeline text,
    version  integer,
    params   text not null,
    origin   text not null check (origin in ('run', 'put', 'retry')),
    created  integer not null,
    state    text not null check (state in ('draft', 'active', 'done')),
    outcome  text,
    reason   text,
    stop     text,
    hold     text,
    "left"   integer not null,
    started  integer,
    finished integer,
    check ((state = 'done') = (outcome is not null))
);
create index run_active on run (seq) where state <> 'done';

create table job (
    seq             integer primary key,
    run             text not null references run (id),
    pipeline        text not null,
    version         integer not null,
    step            text not null,
    repo            text,
    created         integer not null,
    state           text not null
        check (state in ('waiting', 'expanding', 'open', 'exporting', 'closing', 'done')),
    outcome         text,
    reason          text,
    message         text not null,
    hold            text,
    stop            text,
    waits           integer not null,
    failed_upstream text,
    reached         text,
    inputs          text not null,
    base            integer,
    recipe          blob not null,
    parts           text not null,
    ledger          blob not null,
    owners          blob not null,
    tree            blob not null,
    expanded        integer not null,
    total           integer not null,
    processed       integer not null,
    reused          integer not null,
    recovered       integer not null,
    failed          integer not null,
    cancelled       integer not null,
    "left"          integer not null check ("left" >= 0),
    files           integer not null,
    size            integer not null,
    download_bytes  integer not null,
    upload_bytes    integer not null,
    process_seconds real not null,
    started         integer,
    finished        integer,
    unique (run, pipeline, step),
    check ((state = 'done') = (outcome is not null)),
    check (total = processed + reused + recovered + failed + cancelled + "left")
);
create index job_step on job (pipeline, step, seq);
create index job_open on job (seq) where state <> 'done';
-- Jobs that publish to one repo open one at a time.
create unique index job_turn on job (repo)
    where repo is not null and state in ('expanding', 'open', 'exporting', 'closing');

create table edge (
    job      integer not null references job (seq),
    upstream integer not null references job (seq),
    needs    text not null check (needs in ('success', 'end')),
    primary key (job, upstream)
) without rowid;
create index edge_upstream on edge (upstream, job);

create table task (
    seq         integer primary key,
    job         integer not null references job (seq),
    id          text not null,
    key         text not null,
    fingerprint blob not null,
    params      text not null,
    inputs      blob not null,
    reuse       integer not null,
    created     integer not null,
    state       text not null check (state in ('ready', 'active', 'done')),
    outcome     text,
    reason      text,
    message     text not null,
    reused      integer not null,
    tries       integer not null,
    attempts    integer not null,
    output      blob not null,
    files       integer not null,
    finished    integer,
    check ((state = 'done') = (outcome is not null))
);
create index task_job on task (job, seq);
create index task_id on task (id);
create index task_ready on task (job, seq) where state = 'ready';
create index task_active on task (fingerprint) where state = 'active';

create table attempt (
    task             integer not null references task (seq),
    number           integer not null,
    token            integer not null,
    worker           text not null,
    state            text not null,
    outcome          text,
    reason           text,
    exit_code        integer,
    message          text not null,
    created          integer not null,
    started          integer,
    ended            integer,
    log_file         text,
    log_offset       integer not null,
    log_length       integer not null,
    download_bytes   integer not null,
    upload_bytes     integer not null,
    download_seconds real not null,
    process_seconds  real not null,
    upload_seconds   real not null,
    cpu_seconds      real not null,
    peak_memory      integer not null,
    primary key (task, number),
    check ((state = 'ended') = (outcome is not null))
) without rowid;
create index attempt_live on attempt (task) where state <> 'ended';

create table success (
    fingerprint blob primary key,
    output      blob not null,
    files       integer not null,
    task        text not null,
    job         text not null,
    created     integer not null
) without rowid;

create table event (
    at      integer not null,
    kind    text not null,
    run     text,
    subject text not null,
    data    text not null,
    seq     integer primary key
);
create index event_run on event (run, seq);
