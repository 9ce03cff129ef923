"""How good generated signals are: fidelity, diversity, physics, conditioning and privacy.

Every measure is a pure function on float64 arrays with the keyword-only arguments ``reference`` and ``generated``.
Three shapes are used throughout: features ``(n, d)``, ECGs ``(n, lead, time)`` in mV, and cines ``(frame, row, col)``.
`metrics.definitions` lists what each named measure means (unit, direction, least sample count), and
`metrics.accumulators` wraps the ones that stream as `torchmetrics.Metric`. Importing this package loads no torch.
"""
