"""The data set on disk: format, writer, index, reader, verification, data card, report and sample inspection."""
