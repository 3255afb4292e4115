"""LAION's aesthetic score: what people would say of a picture, from CLIP's embedding of it."""
