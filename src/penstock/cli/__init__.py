"""The command line: a face over `service` that translates words into calls and answers into tables, text or JSON.

Lives here: `main` (errors to one line and an exit code), `lazy` (commands are imported when called), `verbs` and
`nouns` (the commands), `output` and `progress` (what people see). May import: every layer below, and click and rich;
rich only when a table goes to a terminal.
"""
