"""NLF (Sarandi and Pons-Moll, NeurIPS 2024) in this process, from its authors' TorchScript file."""
