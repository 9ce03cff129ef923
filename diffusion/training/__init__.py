"""Training of the text-to-ECG denoiser: examples, latents, recipes."""
