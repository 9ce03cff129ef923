"""Euclidean distances between large feature sets, block by block: never N x N x d, and never N x N at once."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gen.records import InputError
from metrics.statistics.arrays import Array

#: Bytes of one block of distances; a few live at a time. Measured: 16 MiB takes 30 % less time than 64, 4 takes more.
BLOCK_BYTES = 16 * 2**20

# Squared distances come from |x|^2 + |y|^2 - 2xy, whose rounding error is a few ulp of |x|^2 + |y|^2 times sqrt(d).
# What is smaller than this share of the norms cannot be told from 0 and is called 0, so exact copies stay copies.
_RESOLUTION = 1e-13


def block_rows(columns: int) -> int:
    """Rows of a block of distances against ``columns`` points."""
    return max(1, BLOCK_BYTES // (8 * max(1, columns)))


def squared_distance_blocks(queries: Array, points: Array) -> Iterator[tuple[slice, Array]]:
    """Squared Euclidean distances in blocks of rows.

    Everything stays float64: a matrix product in float32 would be twice as fast but leaves an error of 1e-7 of the
    squared norms, which decides wrongly about points near a sphere, and turns exact copies into near ones.

    Args:
        queries: (n, d).
        points: (m, d).

    Yields:
        (rows of ``queries``, (rows, m) squared distances); the array is reused by nobody and may be changed.
    """
    centre = points.mean(axis=0)  # a common offset would drown the differences in rounding
    points = points - centre
    norms = np.einsum("ij,ij->i", points, points)
    step = block_rows(len(points))
    for start in range(0, len(queries), step):
        rows = slice(start, min(start + step, len(queries)))
        block = queries[rows] - centre
        scale = np.einsum("ij,ij->i", block, block)
        squared = block @ points.T
        squared *= -2
        squared += norms
        squared += scale[:, None]
        squared[squared < _RESOLUTION * (scale[:, None] + norms.max(initial=0))] = 0
        yield rows, squared


def nearest(
    queries: Array, points: Array, k: int = 1, *, exclude_self: bool = False
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Distances to, and indices of, the k nearest points of each query, nearest first.

    Args:
        queries: (n, d).
        points: (m, d).
        k: neighbours.
        exclude_self: query i is point i and does not count.

    Returns:
        (n, k) distances in feature units and (n, k) indices.

    Raises:
        InputError: fewer than k points to choose from.
    """
    available = len(points) - int(exclude_self)
    if k < 1 or available < k:
        raise InputError(f"k={k} neighbours of {available} points; accepted: 1 to {available}")
    distance = np.empty((len(queries), k))
    index = np.empty((len(queries), k), dtype=np.int64)
    for rows, squared in squared_distance_blocks(queries, points):
        if exclude_self:
            squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = np.inf
        chosen = np.argpartition(squared, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(squared, chosen, axis=1)
        order = np.argsort(values, axis=1, kind="stable")
        index[rows] = np.take_along_axis(chosen, order, axis=1)
        distance[rows] = np.sqrt(np.take_along_axis(values, order, axis=1))
    return distance, index


def neighbour_radii(points: Array, k: int) -> Array:
    """Squared distance (n,) of each point to its k-th nearest other point, as the closed ball's radius.

    It is 1e-12 of itself too large, so that the k-th neighbour is inside whichever way round its distance is rounded.

    Raises:
        InputError: fewer than k + 1 points.
    """
    if k < 1 or len(points) <= k:
        raise InputError(f"k={k} neighbours among {len(points)} points; accepted: at least {k + 1} points")
    radii = np.empty(len(points))
    for rows, squared in squared_distance_blocks(points, points):
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = np.inf
        radii[rows] = np.partition(squared, k - 1, axis=1)[:, k - 1]
    return radii * (1 + 1e-12)
