"""Which of the paper's categories a clip belongs to, and what to search for to find more of them."""
