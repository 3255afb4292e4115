"""How good a trained run is, beside what needs no model."""
