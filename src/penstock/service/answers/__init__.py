"""The questions people ask: listings, status, logs, explain, trace, plan, fsck. They move no row on."""
