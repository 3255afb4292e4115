"""What `shards.verify` checks, one subject a file. Each check returns its findings; none stops at the first."""
