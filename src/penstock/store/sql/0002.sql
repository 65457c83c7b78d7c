-- Open commits, commits whose bytes were given up, retention, and branches that move by themselves.

-- When it became a commit that others may read; null while it is open.
alter table "commit" add column finished integer;
update "commit" set finished = created;
-- When retention gave its bytes up; the row stays.
alter table "commit" add column forgotten integer;
-- The commit of another branch that was merged into it: its second parent.
alter table "commit" add column merged text;
create index commit_parent on "commit" (repo, parent);
create index commit_merged on "commit" (repo, merged) where merged is not null;
create unique index commit_open on "commit" (repo, branch) where finished is null;

-- How many of a branch's commits keep their bytes, and how long (microseconds); a commit within either is kept.
alter table repo add column keep_commits integer check (keep_commits > 0);
alter table repo add column keep_for integer check (keep_for >= 0);

-- A branch that follows another one of its repo once enough has gathered there.
create table trigger (
    repo    text not null references repo (name) on delete cascade,
    branch  text not null,
    watches text not null,
    size    integer,
    commits integer,
    every   integer,
    cron    text,
    needs   text not null check (needs in ('any', 'all')),
    fired   integer not null,
    primary key (repo, branch)
) without rowid;
