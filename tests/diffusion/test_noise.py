"""Noise is drawn in bulk: it is what a plain loop over bands draws from the same generator."""

import numpy as np
import pytest
from scipy.fft import irfft, next_fast_len, rfftfreq
from scipy.interpolate import CubicSpline

from diffusion.beats.noise import BANDS, EDGES_HZ, draw_fine, draw_rest, line_bands
from diffusion.beats.shape import (
    CORNERS,
    LEAD_IN,
    P_BEFORE_S,
    P_LENGTH_S,
    P_POINTS,
    POINTS,
    QRS,
    BeatShape,
    add_p,
    add_qrst,
    stretched,
)

BROAD = np.diff(EDGES_HZ) != 2


@pytest.fixture(scope="module")
def leads() -> np.ndarray:
    made = np.random.default_rng(0).normal(size=(BANDS, 8, 20))
    return np.stack([np.corrcoef(each) for each in made])


def plain_density(power: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    level = np.log(power[:, BROAD] / np.diff(EDGES_HZ)[BROAD])
    middle, at = np.log(0.5 * (EDGES_HZ[:-1] + EDGES_HZ[1:])[BROAD]), np.log(np.maximum(frequency, 1e-3))
    slope = np.minimum((level[:, -1] - level[:, -2]) / (middle[-1] - middle[-2]), 0)
    inside = np.stack([np.interp(at, middle, row) for row in level])
    return np.exp(inside + slope[:, None] * np.maximum(at - middle[-1], 0))


def plain_noise(rng, power, correlation, whole, fs_hz):
    """Below and from 12 Hz on: every band has its power, and the mains stands on the noise of its neighbours."""
    frequency = rfftfreq(whole, 1 / fs_hz)
    bins = np.searchsorted(EDGES_HZ, frequency, side="right") - 1
    spectrum = np.zeros((8, len(frequency)), dtype=complex)
    density = plain_density(power, frequency)
    for band in range(BANDS):
        own = np.flatnonzero((bins == band) & (frequency > 0.09))
        if not len(own):
            continue
        root = np.linalg.cholesky(0.97 * correlation[band] + 0.03 * np.eye(8))
        noise = root @ (rng.standard_normal((8, len(own))) + 1j * rng.standard_normal((8, len(own))))
        wanted = power[:, band]
        if band in line_bands():
            wanted = np.maximum(wanted - 2 * density[:, own].sum(axis=1) * frequency[1], 0)
            even = noise / np.sqrt((np.abs(noise) ** 2).mean(axis=1, keepdims=True))
            spectrum[:, own] = even * np.sqrt(density[:, own] * 0.5 * frequency[1]) * whole
            noise = noise * np.exp(-0.5 * ((frequency[own] - EDGES_HZ[band] - 1) / 0.08) ** 2)
        else:
            noise = noise * np.sqrt(density[:, own])
        noise /= np.sqrt((np.abs(noise) ** 2).sum(axis=1, keepdims=True))
        spectrum[:, own] += noise * np.sqrt(wanted[:, None] / 2) * whole
    slow = np.where(frequency < 12.0, spectrum, 0)
    return irfft(slow, whole, axis=1), irfft(spectrum - slow, whole, axis=1)


def plain_envelope(rng, swell, step_s, length, fs_hz):
    knots = np.exp(swell * rng.standard_normal(int(length / fs_hz / step_s) + 3) - swell**2)
    return np.interp(np.arange(length) / fs_hz / step_s, np.arange(len(knots)), knots)


@pytest.mark.parametrize(("length", "fs_hz"), [(5000, 500.0), (2500, 1000.0), (1000, 100.0)])
def test_noise_drawn_in_bulk_is_that_of_a_loop_over_bands(leads, length, fs_hz):
    power = np.exp(np.random.default_rng(1).normal(-12, 2, (2, 8, BANDS)))
    gate = (np.arange(length) % 400 < 60).astype(float)
    within = leads[::-1]
    found = draw_rest(np.random.default_rng(2), power, np.stack([leads, within]), 0.3, gate, length, fs_hz)
    rng, whole = np.random.default_rng(2), next_fast_len(length + round(4 * fs_hz), real=True)
    slow, fast = plain_noise(rng, power[0], leads, whole, fs_hz)
    fast = fast * plain_envelope(rng, 0.3, 0.2, whole, fs_hz)
    slow = slow * plain_envelope(rng, 0.6, 1.2, whole, fs_hz)
    more = sum(plain_noise(rng, power[1], within, whole, fs_hz))
    expected = (slow + fast)[:, :length] + more[:, :length] * gate
    assert np.abs(found - expected).max() < 2e-6 * np.abs(expected).max()


def test_fine_structure_drawn_in_bulk_is_that_of_a_loop_over_bands(leads):
    power = np.exp(np.random.default_rng(1).normal(-12, 2, (8, BANDS)))
    found = draw_fine(np.random.default_rng(3), power, leads, 0.09)
    rng, frequency = np.random.default_rng(3), rfftfreq(QRS, 0.09 / QRS)
    bins = np.minimum(np.searchsorted(EDGES_HZ, frequency, side="right") - 1, BANDS - 1)
    spectrum = np.zeros((8, len(frequency)), dtype=complex)
    for band in np.unique(bins[1:]):
        own = np.flatnonzero(bins == band)
        own = own[own > 0]
        root = np.linalg.cholesky(0.97 * leads[band] + 0.03 * np.eye(8))
        noise = root @ (rng.standard_normal((8, len(own))) + 1j * rng.standard_normal((8, len(own))))
        spectrum[:, own] = noise * np.sqrt(power[:, band, None] / (4 * len(own))) * QRS
    assert np.allclose(found, irfft(spectrum, QRS, axis=1), rtol=0, atol=1e-12)


def test_beats_drawn_together_are_those_drawn_one_by_one():
    rng = np.random.default_rng(4)
    shape = BeatShape(rng.normal(size=(8, POINTS)), rng.normal(size=(8, P_POINTS)), -0.04, 0.05, 0.36, 0.16, 0.8)
    times, stretch = np.array([-0.2013, 0.6021, 1.3007, 1.9011, 2.4017]), np.array([1.0, 0.9, 1.1, 1.0, 0.95])
    mixing = 0.1 * rng.normal(size=(5, 8, 8))
    found, expected = np.zeros((2, 8, 1000))
    add_qrst(found, shape, times, stretch, 500.0, mixing)
    add_p(found, shape, times - 0.2, 500.0)
    spline = CubicSpline(np.arange(POINTS), shape.qrst.T)
    wave = CubicSpline(np.linspace(-P_BEFORE_S, P_LENGTH_S - P_BEFORE_S, P_POINTS), shape.p.T)
    for time, factor, mixed in zip(times, stretch, mixing, strict=True):
        knots, clock = stretched(shape.knots_s, factor) + time, np.arange(1000) / 500.0
        inside = (clock >= knots[0]) & (clock <= knots[-1])
        at = np.interp(clock[inside], knots, CORNERS)
        share = np.interp(at, [LEAD_IN + QRS, LEAD_IN + QRS + 8], [1.0, 0.5])
        expected[:, inside] += spline(at).T + (mixed @ spline(at).T) * share
        after = clock - (time - 0.2)
        inside = (after >= -P_BEFORE_S) & (after <= P_LENGTH_S - P_BEFORE_S)
        expected[:, inside] += wave(after[inside]).T
    assert np.allclose(found, expected, rtol=0, atol=1e-10)
