"""One module a message format; each turns one message into events, and does nothing else."""
