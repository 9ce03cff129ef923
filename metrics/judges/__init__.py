"""Trained judges: diagnosis classifier, ECG-text model, ECGFounder's network."""
