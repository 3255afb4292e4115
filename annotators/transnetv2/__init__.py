"""Shot changes by TransNetV2 (MIT), a small network whose weights come with its package."""
