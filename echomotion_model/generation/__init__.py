"""What samples are made with and from: a trained run, and conditions brought to the shape that it knows."""
