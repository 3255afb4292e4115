"""The explorer: a local web page of all clips, kept and dropped, with a preview of changed thresholds."""
