"""The stored picture itself: how well it is recorded, and what lies over it. No weights."""
