"""Training on several processes: FSDP2, sequence parallelism (Ulysses), and launching the processes."""
