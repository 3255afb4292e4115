"""Quality of the stored frames: technical quality, burnt-in text, watermarks. No weights."""
