"""WearECG: twelve leads from whatever leads a recording has, by a variational autoencoder.

from vae.pipeline import load
result = load()(record, leads=["II", "V1", "V5"], num_samples=20)
"""
