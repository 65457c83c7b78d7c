"""One driver per state: each does what a state asks of the outside world and reports the fact to `react`."""
