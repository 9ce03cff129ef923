"""The ECG codec: eight leads to a short latent sequence and back."""
