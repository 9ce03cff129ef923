"""Denoisers: the default transformer, and the published U-Net as a reference."""
