"""Shapes of beats: how they are measured on recordings, coded, drawn under conditions, and placed in time."""
