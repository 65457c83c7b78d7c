"""User data: JSON documents of a pipeline or a step, what tasks get of them and leave, and files of them in a task."""
