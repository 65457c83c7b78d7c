"""What a job has to do: its bindings, compared with the ledger of the job before it."""
