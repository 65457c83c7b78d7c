"""Rows that outlive the process. A store remembers and never thinks: rules are in `engine`, the law is in the schema.

Lives here: the `Store` boundary, its SQLite back end, the schema as numbered migrations and every query by name in
`sql/`. May import: `model`.
"""
