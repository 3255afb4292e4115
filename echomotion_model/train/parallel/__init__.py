"""Training on many processes: weights in shards, samples cut along their tokens, and how the processes are started."""
