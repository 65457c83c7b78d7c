"""What a commit or a `run` opens: the frozen pipeline, the linked directories, the run with its waiting jobs."""
