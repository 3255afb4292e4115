"""The paper's categories: classification of clips, and search terms for videos."""
