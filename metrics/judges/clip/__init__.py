"""ECG and text in one space: judges whether an ECG shows what a text says (Radford et al. 2021, for ECG and reports).

    from metrics.clip.model import Clip
    clip = Clip.load()
    clip.score(signal_8_mv, 500, ["atrial fibrillation", ...])       # (n,) cosines

Trained on raw recordings of training patients and their reports, and on simulated ECGs, never on a generator's output.
This module loads no torch.
"""
