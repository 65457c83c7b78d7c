-- Which pack holds which blob. Nothing here is the truth: the footers of the packs are, and this can be made from them.

-- name: make_pack
-- Packs whose footers are in `blob`, under a short number.
create table if not exists pack (
    number integer primary key,
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

-- name: find
-- The place of one blob.
select pack, start, stored, raw from blob where id = ?;

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
insert or replace into blob (id, pack, start, stored, raw) values (?, ?, ?, ?, ?);
