-- name: make
-- The one table of a file that nobody sees.
create table entry (key text primary key, value text not null) without rowid;

-- name: put
-- Set one entry.
replace into entry values (?, ?);

-- name: get
-- The value of a key.
select value from entry where key = ?;

-- name: keys
-- Every key.
select key from entry;
