"""Generators of other makers, asked for the same ECGs; each needs its library: ``pip install 'physiogen[others]'``."""
