"""The verbs on versioned data: writing, reading, and the repos, branches and commits themselves."""
