"""Ventricular volumes of generated cines, with intervals."""
