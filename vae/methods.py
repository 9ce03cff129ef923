"""Names of the ways to rebuild leads; apart, so that a mistyped one loads no network."""

METHODS = ("default", "wearecg", "least-squares", "fir", "nearest", "dower")
#: Those that draw samples besides their mean.
DRAWING = ("default",)
#: Baselines of an evaluation that read the missing leads themselves: no way to rebuild what nobody recorded.
BASELINES = ("per-patient",)
