"""Signal, picture, features of every beat, report and findings of the same ECG under one identifier.

    physiogen multimodal SET --out OUT --form meeti        # a table that Hugging Face datasets reads without code
    physiogen multimodal SET --out OUT --form grounding    # questions and answers whose numbers are the measured ones

Everything said of an ECG is measured on it (`metrics.measurement`); what its report states beside that is kept apart.
"""
