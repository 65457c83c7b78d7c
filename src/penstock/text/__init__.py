"""Reading and writing what people write: pipeline files, sizes, durations, parameters, and what a command depends on.

Lives here: the reader of YAML, JSON and JSON5 that keeps line and column (`marked`, `yamltext`, `jsontext`), units, the
pipeline file (`pipeline` and its parts) and the project files a command uses (`imports`). May import: `penstock.model`.
No disk: text comes in as bytes, and what exists is asked through a function.
"""
