"""What the commands run: one file a job."""
