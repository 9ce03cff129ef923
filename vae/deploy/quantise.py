"""Weights of an ONNX file in 8 bits: a quarter of its size, with 32-bit sums.

Each large weight is kept as int8 with one scale a row (symmetric, 127 levels a side) and turned back by a
``DequantizeLinear`` node (ONNX operator set 13 and later), so that any runtime computes as before; activations are not
touched. Shipped weights were stored on that very grid: nothing is lost. Of others the error is measured by
`vae.deploy.export`.
"""

from typing import Any

import numpy as np

from gen.checkpoint import SMALLEST_QUANTISED

_LEVELS = 127


def rows_in_int8(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """A weight as int8 with a scale for each index of one axis: the axis that loses least.

    Returns:
        int8 of the weight's shape, (length of the axis,) float32 scales, and the axis.
    """
    found = []
    for axis in range(weight.ndim):
        others = tuple(k for k in range(weight.ndim) if k != axis)
        scale = np.abs(weight).max(axis=others, keepdims=True) / _LEVELS
        scale = np.where(scale > 0, scale, 1).astype(np.float32)
        rounded = np.round(weight / scale)
        found.append((float(np.square(rounded * scale - weight).sum()), axis, rounded, scale))
    _, axis, rounded, scale = min(found, key=lambda each: each[:2])
    return rounded.astype(np.int8), scale.ravel(), axis


def in_int8(model: Any) -> Any:
    """An ``onnx.ModelProto`` whose large weights are int8; changes and returns the one given."""
    from onnx import TensorProto, helper, numpy_helper

    graph, nodes = model.graph, []
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT:
            continue
        weight = numpy_helper.to_array(tensor)
        if weight.ndim < 2 or weight.size < SMALLEST_QUANTISED:
            continue
        rounded, scale, axis = rows_in_int8(weight)
        turned = weight.ndim == 2 and axis == 1
        names = [f"{tensor.name}.int8", f"{tensor.name}.scale"]
        graph.initializer.remove(tensor)
        graph.initializer.extend(
            numpy_helper.from_array(np.ascontiguousarray(array), name)
            for array, name in zip((rounded.T if turned else rounded, scale), names, strict=True)
        )
        if turned:
            # onnxruntime (1.31) takes a product with a weight of this kind over into one that rounds the other factor
            # to 8 bits as well, some .005 mV here; not where the weight is turned over in between.
            nodes.append(helper.make_node("DequantizeLinear", names, [f"{tensor.name}.rows"], axis=0))
            nodes.append(helper.make_node("Transpose", [f"{tensor.name}.rows"], [tensor.name], perm=(1, 0)))
        else:
            nodes.append(helper.make_node("DequantizeLinear", names, [tensor.name], axis=axis))
    before = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *before])
    return model
