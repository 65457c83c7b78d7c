"""Content-addressed data: blobs in packs, maps cut in pages, trees of files, checkouts, collecting, stat caches, logs.

Lives here: everything that names bytes by what they are and brings them to and from a disk. May import: `model`.
`store.Objects` puts the parts together; `map` and `tree` know only a two-verb page port and need no disk.
"""
