"""Blinded reader study: whether experts tell generated ECGs or cine loops from recorded ones.

    physiogen study make --real .data/ptb-xl:test --generated GEN -n 40 --seed 0 --out KIT
    physiogen study score KIT ANSWERS...

``make`` writes a folder for the readers and, beside it, the key. ``score`` gives accuracy against chance, d', agreement
between readers, and the quality of both groups.
"""
