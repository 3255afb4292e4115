"""Flow matching over video latents and motion features: tasks, noise, guidance, sampling."""
