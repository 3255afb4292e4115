"""LAION's aesthetic score: predicted human ratings of frames, from CLIP embeddings."""
