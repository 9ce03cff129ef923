"""Signal, picture, features of every beat, report and findings of the same ECG under one identifier.

    physiogen multimodal SET --out OUT --form meeti        # a table that Hugging Face datasets reads without code
    physiogen multimodal SET --out OUT --form grounding    # questions and answers whose numbers are the measured ones

Everything said of an ECG is measured on it (`metrics.measurement`); what its report states beside that is kept apart.
"""

#: The file that makes a folder such a set.
MARK = "README.md"
FORMS = ("meeti", "grounding")
#: Layout and width of the pictures in pixels, where nobody says.
LAYOUT, WIDTH = "3x4+1", 1700
