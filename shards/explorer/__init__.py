"""The explorer: a page on loopback that shows every clip, why it was kept or dropped, and what other bars would do."""
