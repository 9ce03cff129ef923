"""Text and numbers to ECGs by latent diffusion (DiffuSETS); see README.md.

from diffusion.beat_pipeline import load
records = load()("atrial fibrillation, LBBB", age=70, sex="F", heart_rate=130, num=8, seed=0)
"""
