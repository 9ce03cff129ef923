"""The diffusion process: noising, objective, samplers, guidance, settings."""
