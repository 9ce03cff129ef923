"""Judges: classifier of diagnoses, ECG-text model, ECGFounder; forests and a network that tell generated ECGs apart."""
