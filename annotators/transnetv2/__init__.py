"""Shot changes by TransNetV2 (MIT), whose weights come with its package."""
