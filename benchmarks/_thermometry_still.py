"""A still head: whether the standard deviation is true, and how much precision is given away."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from _scan_frames import Played, play
from _table import MeasurementError, Table, Target
from _thermometry_folded import folded, protocol_text
from numpy.typing import NDArray

from simulators.coils import head_coils
from simulators.noise import receiver_noise
from simulators.patient import Patient
from simulators.phantom import image
from simulators.scan import Scan
from simulators.sequences.cartesian import Cartesian
from simulators.treatment import ALPHA_PPM_PER_C

Real = NDArray[np.float64]

SNR, N_BASELINE, N_COILS = 40, 5, 8
LEAST_STD, MOST_STD, MOST_OVER_BOUND = 0.95, 1.05, 1.05
BODY_C, LEAST_SNR = 37.0, 10.0
METHODS = ("single-baseline", "referenceless", "referenceless-l1", "near-harmonic")
RADIUS_MM, MARGIN_MM = 7.5, 15.0


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """bound_c: Cramér–Rao bound of a temperature against the baseline, float64 (y, x).

    target: bool (y, x), the heated mask. inside: bool (y, x), enough signal.
    """

    scan: Scan
    bound_c: Real
    inside: NDArray[np.bool_]
    target: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Of valid pixels: score and over_bound, the error over the reported and the least deviation.

    std_c: the reported one. took_ms: of each frame.
    """

    score: Real
    over_bound: Real
    std_c: Real
    took_ms: tuple[float, ...]


def scene(*, n: int, n_frames: int, seed: int) -> Scene:
    """Return a still head and what no unbiased estimate of its temperature can beat.

    N baselines and one image x = b·exp(iφ) + n of the same unknown b in all coils: the Fisher
    information leaves var φ ≥ (1 + 1/N) / (2 bᴴΨ⁻¹b), whatever b's phases and sizes are, with the
    noise covariance Ψ of the coils' images.
    """
    sequence = Cartesian(matrix=(n, n), n_frames=N_BASELINE + n_frames)
    scan = Scan(sequence, n_coils=N_COILS, snr=SNR, seed=seed)
    seen = _encoded(Scan(sequence, n_coils=N_COILS))
    n_averaged = n * n * sequence.oversampling
    noise = receiver_noise(
        head_coils(N_COILS),
        snr=SNR,
        at_mm=(0.0, 0.0),
        signal=abs(complex(image(scan.slices[0], np.zeros(()), np.zeros(())))),
        n_averaged=n_averaged,
        noise_scan_scale=1.0,
    )
    covariance = noise.covariance / n_averaged
    power = np.real(np.sum(seen.conj() * _solve(covariance, seen), axis=0))
    patient = Patient()
    rad_per_c = abs(
        patient.rad_per_c(
            h1_frequency_hz=sequence.h1_frequency_hz, echo_time_s=sequence.echo_times_s[0]
        )
    )
    bound_c = np.sqrt((1 + 1 / N_BASELINE) / (2 * power)) / rad_per_c
    inside = np.sqrt(2 * power) >= LEAST_SNR
    away_mm = np.hypot(sequence.columns_mm[None, :], sequence.rows_mm[:, None])
    return Scene(scan, bound_c, inside, away_mm < RADIUS_MM + MARGIN_MM)


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return what was promised, and the figures of the methods that a still head suits."""
    n, n_frames, n_seeds = (64, 4, 1) if quick else (128, 20, 3)
    seen: dict[str, list[Errors]] = {name: [] for name in METHODS}
    for seed in range(n_seeds):
        one = scene(n=n, n_frames=n_frames, seed=100 + seed)
        played = play(one.scan)
        for name in METHODS:
            seen[name] += _errors(one, played, name)
    whole = {name: _joined(name, parts) for name, parts in seen.items()}
    score, over = whole["single-baseline"].score.std(), _rms(whole["single-baseline"].over_bound)
    targets = (
        Target(
            f"still, SNR {SNR}: standardised error has standard deviation {LEAST_STD}–{MOST_STD}",
            f"{score:.3f}",
            bool(LEAST_STD <= score <= MOST_STD),
        ),
        Target(
            f"still, SNR {SNR}: RMS error within 5 % of the Cramér–Rao bound",
            f"{over:.3f} times the bound",
            1 / MOST_OVER_BOUND <= over <= MOST_OVER_BOUND,
        ),
    )
    return targets, _table(whole, n=n)


def _errors(one: Scene, played: Played, name: str) -> Iterator[Errors]:
    """Yield each frame's errors after the baseline."""
    sequence = one.scan.sequence
    text = protocol_text(
        name,
        n_baseline=N_BASELINE,
        alpha=ALPHA_PPM_PER_C,
        drift_order=-1,
        center_px=(sequence.matrix[1] // 2, sequence.matrix[0] // 2),
        radius_px=RADIUS_MM / sequence.voxel_mm[0],
        margin_px=MARGIN_MM / sequence.voxel_mm[0],
    )
    for number, (maps, ms) in enumerate(folded(played, sequence, text)):
        if number < N_BASELINE:
            continue
        used = maps.valid[0] & one.inside
        if name != "single-baseline":
            used &= one.target
        error = (maps.temperature_c[0] - BODY_C)[used].astype(np.float64)
        std_c = maps.temperature_std_c[0][used].astype(np.float64)
        yield Errors(error / std_c, error / one.bound_c[used], std_c, (ms,))


def _joined(name: str, parts: list[Errors]) -> Errors:
    score, over, std_c = (
        np.concatenate([getattr(one, field) for one in parts])
        for field in ("score", "over_bound", "std_c")
    )
    if not score.size:
        raise MeasurementError(f"{name}: no valid pixel")
    return Errors(score, over, std_c, tuple(ms for one in parts for ms in one.took_ms))


def _rms(values: Real) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _table(whole: dict[str, Errors], *, n: int) -> Table:
    rows = [
        (
            name,
            "the head" if name == "single-baseline" else "the target",
            f"{one.score.std():.3f}",
            f"{_rms(one.over_bound):.3f}",
            f"{float(np.median(one.std_c)):.3f} °C",
            f"{np.percentile(one.took_ms, 50):.1f} / {np.percentile(one.took_ms, 99):.1f} ms",
            f"{one.score.size:,}",
        )
        for name, one in whole.items()
    ]
    return Table(
        f"Still head, {n} × {n}, {N_COILS} coils, SNR {SNR}, {N_BASELINE} baselines",
        (
            "method", "where", "std of the standardised error", "RMS error / bound",
            "reported std", "recon and map, p50 / p99", "pixels × frames",
        ),
        tuple(rows),
        "The bound is that of N baselines and one image with the same unknown coil images, noise "
        "correlated between coils; each pixel against its own. Methods without a baseline have no "
        "baseline noise, so the bound is not theirs: 0.91 is the noise of one image. What they "
        "lose beyond it is the background's noise and the anatomy that it cannot follow: in this "
        "head each tissue has a phase of its own.",
    )  # fmt: skip


def _encoded(scan: Scan) -> NDArray[np.complex128]:
    """Return the noise-free coil images (coil, y, x), by numpy alone."""
    sequence = scan.sequence
    kspace = np.stack(
        [scan.samples(one) for one in sequence.frame_readouts(0, 0.0)], axis=1
    ).astype(np.complex128)
    axes = (1, 2)
    whole = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes=axes)), axes=axes)
    n_kept = sequence.matrix[0]
    first = whole.shape[2] // 2 - n_kept // 2
    return np.asarray(whole[:, :, first : first + n_kept])


def _solve(
    covariance: NDArray[np.complex128], seen: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    flat = seen.reshape(len(seen), -1)
    return np.asarray(np.linalg.solve(covariance, flat).reshape(seen.shape))
