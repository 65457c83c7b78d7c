-- Which pack holds which blob. Nothing here is the truth: the footers of the packs are, and this can be made from them.

-- name: unmake
-- An index of another version is made anew.
drop table if exists pack; drop table if exists blob; drop table if exists condemned;

-- name: make_pack
-- Packs whose footers are in `blob`, under a short number, which no other pack ever gets: processes remember it.
create table if not exists pack (
    number integer primary key autoincrement,
    name   text not null unique
);

-- name: make_blob
-- Where the record of a blob lies in its pack; bytes; compressed where stored < raw.
create table if not exists blob (
    id         blob primary key,
    pack       integer not null,
    start      integer not null,
    stored     integer not null,
    raw        integer not null
) without rowid;

-- name: make_condemned
-- Packs and large blobs nobody needed when garbage was last looked for, and when that was (UTC microseconds); null
-- until whoever may have relied on them before can be told from those who come after.
create table if not exists condemned (
    name text primary key,
    at   integer
) without rowid;

-- name: find
-- The place of one blob.
select pack, start, stored, raw from blob where id = ?;

-- name: find_all
-- The places of several blobs; as many question marks as there are blobs take the place of the braces.
select id, pack, start, stored, raw from blob where id in ({});

-- name: packs
-- All packs known.
select number, name from pack;

-- name: add_pack
-- A pack that another process has just added stays as it is.
insert or ignore into pack (name) values (?);

-- name: pack_number
-- The number of a pack.
select number from pack where name = ?;

-- name: add_blob
-- A blob that lies in two packs is found in the last one: an earlier one may be lost.
insert or replace into blob (id, pack, start, stored, raw) values (?, {}, ?, ?, ?);

-- name: all_blobs
-- What the index knows of one pack.
select id, start, stored, raw from blob where pack = ?;

-- name: remove_pack
-- Forget a pack.
delete from pack where name = ?;

-- name: remove_blob
-- Forget that a blob lies in a pack, if that is where it is found.
delete from blob where id = ? and pack = ?;

-- name: remove_blobs
-- Forget all blobs of a pack.
delete from blob where pack = ?;

-- name: clear_blobs
-- Forget all blobs.
delete from blob;

-- name: clear_packs
-- Forget all packs.
delete from pack;

-- name: condemn
-- What is condemned already keeps its time.
insert or ignore into condemned (name) values (?);

-- name: date
-- Since when what was newly condemned is.
update condemned set at = ? where at is null;

-- name: condemned
-- All that is condemned, and since when.
select name, at from condemned;

-- name: is_condemned
-- Whether a name is condemned.
select 1 from condemned where name = ?;

-- name: spare
-- A name is needed after all, or gone.
delete from condemned where name = ?;
