"""Distances between sets of features: Frechet, kernel, manifold, classifier two-sample."""
