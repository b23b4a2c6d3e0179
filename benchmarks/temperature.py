"""Temperature and dose against the simulator's truth, from raw readouts to maps."""

import argparse
import math
import sys
from dataclasses import replace

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
from _scene import (
    FAIR,
    HOLD_C,
    PHASES,
    TRUTHS,
    UNIFORM,
    Scene,
    scene,
    trapezoid_dose_min,
)
from _table import MeasurementError, Outcome, Table, Target, run
from _through_gateway import differs_through_gateway
from _treatment import Seen, see
from numpy.typing import NDArray

from realtime.protocol import Protocol, load_protocol

Real = NDArray[np.float64]

LOWEST_STD, HIGHEST_STD = 0.9, 1.1
MOST_BIAS_C = 0.1
MOST_DOSE_ERROR = 0.05
TARGET_SNR = 40
# Five and ten pixels: an image of 1.875 mm shows such a spot as its voxels hold it.
WIDE_FWHM_MM = (10.0, 20.0)
VOXEL = "voxel average"
TRUTHS_TOLD = (
    "As encoded: the temperature field at the frame's k-space centre through the same coils and "
    "the same extent of k-space, all lines at that instant, without noise (`_instant.py`). "
    "Band-limited: `temperature_bandlimited_c`, the same for one uniform coil; an inverse FFT "
    "without a filter shows this and neither points nor averages. Voxel average, pixel centre: of "
    "the field itself."
)


def standardised(scene: Scene, seen: list[Seen]) -> tuple[Real, list[float]]:
    """Return all standardised errors outside the focus, and each frame's own std."""
    whole, of_frames = [], []
    truth = scene.truths[UNIFORM]
    for one in seen:
        error = (one.temperature_c - truth) / one.temperature_std_c
        for frame in range(len(error)):
            values = error[frame][one.valid[frame] & scene.outside]
            if values.size:
                whole.append(values)
                of_frames.append(float(values.std()))
    if not whole:
        raise MeasurementError("no valid pixel outside the focus")
    return np.concatenate(whole).astype(np.float64), of_frames


def bias_c(
    scene: Scene, seen: list[Seen], where: NDArray[np.bool_], *, phase: str, truth: str
) -> tuple[float, float]:
    """Return the mean error in these pixels and its standard error over the seeds."""
    frames = scene.frames(phase)
    expected = scene.truths[truth][frames][:, where]
    means = [float(np.mean(one.temperature_c[frames][:, where] - expected)) for one in seen]
    if not np.isfinite(means).all():
        raise MeasurementError(f"{phase}: pixels of the focus are not valid")
    spread = float(np.std(means, ddof=1)) if len(means) > 1 else math.nan
    return float(np.mean(means)), spread / math.sqrt(len(means))


def error_table(scene: Scene, seen: dict[int, list[Seen]]) -> Table:
    rows = []
    for snr, runs in seen.items():
        errors, of_frames = standardised(scene, runs)
        held = scene.frames("hold")
        focus = np.concatenate(
            [
                ((one.temperature_c - scene.truths[FAIR]) / one.temperature_std_c)[held][
                    :, scene.hot
                ].ravel()
                for one in runs
            ]
        )
        stated_c = float(np.mean([one.temperature_std_c[held][:, scene.hot] for one in runs]))
        rows.append(
            (
                str(snr),
                f"{errors.std():.3f}",
                f"{min(of_frames):.3f} – {max(of_frames):.3f}",
                f"{errors.mean():+.3f}",
                f"{np.mean(np.abs(errors) <= 1.959964) * 100:.1f} %",
                f"{errors.size:,}",
                f"{focus.std():.3f}",
                f"{stated_c:.2f} °C",
            )
        )
    return Table(
        "Standardised error (temperature − truth) / reported standard deviation",
        (
            "SNR", "std outside the focus", "std of single frames", "mean", "within ±1.96",
            "values", "std in the focus, plateau", "reported std in the focus",
        ),
        tuple(rows),
    )  # fmt: skip


def bias_table(scene: Scene, seen: dict[int, list[Seen]]) -> Table:
    hottest = np.zeros_like(scene.hot)
    hottest[scene.peak] = True
    rows = [
        _bias_row(scene, runs, pixels, snr=snr, phase=phase, name=name)
        for name, pixels in (("focus", scene.hot), ("hottest pixel", hottest))
        for phase in PHASES
        for snr, runs in seen.items()
        if scene.frames(phase) and (phase == "hold" or snr == TARGET_SNR)
    ]
    counts = ", ".join(f"{len(scene.frames(one))} {word}" for one, word in PHASES.items())
    return Table(
        "Bias in the focus",
        ("where", "SNR", "power", "truth, mean", *(f"against {name}" for name in TRUTHS)),
        tuple(rows),
        f"Focus: the {int(scene.hot.sum())} pixels within half of the greatest rise. Mean over the "
        f"frames of that part of the heating ({counts}) and over the seeds; ± the standard error "
        "over seeds. " + TRUTHS_TOLD,
    )


def _bias_row(
    scene: Scene,
    runs: list[Seen],
    pixels: NDArray[np.bool_],
    *,
    snr: int,
    phase: str,
    name: str,
) -> tuple[str, ...]:
    cells = [bias_c(scene, runs, pixels, phase=phase, truth=truth) for truth in TRUTHS]
    mean_c = float(scene.truths[UNIFORM][scene.frames(phase)][:, pixels].mean())
    return (
        name,
        str(snr),
        PHASES[phase],
        f"{mean_c:.1f} °C",
        *(f"{mean:+.3f} ± {error:.3f} °C" for mean, error in cells),
    )


def dose_table(scene: Scene, clean: Seen) -> tuple[Table, dict[str, float]]:
    """Return the table, and the relative error at the hottest pixel by truth, without noise."""
    y, x = scene.peak
    first = scene.played.treatment.n_baseline_frames
    time_s = np.array(scene.played.truth.frame_time_s)[first:]
    measured = float(clean.dose_cem43_min[-1, y, x])
    rows, errors = [], []
    for name in TRUTHS:
        expected = float(trapezoid_dose_min(scene.truths[name][first:, y, x], time_s))
        errors.append(measured / expected - 1)
        rows.append((f"{name}, at the frames' times", f"{expected:.2f}", f"{errors[-1]:+.2%}"))
    log = scene.played.truth
    continuous = float(log.dose_cem43_min[-1][y, x] - log.dose_cem43_min[first][y, x])
    rows.append(
        ("pixel centre, continuous in time", f"{continuous:.2f}", _off(measured, continuous))
    )
    peak = np.interp([time_s[0], time_s[-1]], log.sample_time_s, log.peak_dose_cem43_min)
    middle = float(peak[1] - peak[0])
    rows.append(("middle of the focus, continuous", f"{middle:.2f}", _off(measured, middle)))
    table = Table(
        f"CEM43 at the hottest pixel without noise: {measured:.2f} min",
        ("truth", "CEM43, min", "error of the measured dose"),
        tuple(rows),
        f"Up to {HOLD_C:.0f} °C in the middle of the focus, held, and cooling; the dose doubles "
        "with every degree. The last two rows hold what no frame sees: what happens between "
        "frames, and in a spot smaller than a pixel.",
    )
    return table, dict(zip(TRUTHS, errors, strict=True))


def wide_dose_table(protocol: Protocol, *, is_quick: bool) -> tuple[Table, dict[str, float]]:
    """Return what `dose_table` does, in a focus wider than its pixels."""
    wide = scene(is_quick=is_quick, focus_fwhm_mm=WIDE_FWHM_MM)
    table, errors = dose_table(wide, see(wide.played, protocol, snr=math.inf, seed=0))
    title = f"The same in a focus of {WIDE_FWHM_MM[0]:g} × {WIDE_FWHM_MM[1]:g} mm"
    return replace(table, title=title), errors


def _off(measured: float, expected: float) -> str:
    return f"{measured / expected - 1:+.2%}"


def coverage_table(scene: Scene, seen: dict[int, list[Seen]], clean: Seen) -> Table:
    first = scene.played.treatment.n_baseline_frames
    time_s = np.array(scene.played.truth.frame_time_s)[first:]
    doses = {
        name: trapezoid_dose_min(scene.truths[name][first:], time_s)[scene.hot]
        for name in (FAIR, UNIFORM)
    }
    doses["the monitor itself without noise"] = clean.dose_cem43_min[-1][scene.hot].astype(
        np.float64
    )
    rows = [
        (str(snr), name, *_coverage(scene, runs, expected))
        for snr, runs in seen.items()
        for name, expected in doses.items()
    ]
    return Table(
        "Dose with noise, at the end, in the pixels of the focus",
        (
            "SNR", "truth", "95 % interval holds the truth", "truth below", "truth above",
            "mean dose / truth", "median interval / truth", "pixels × seeds",
        ),
        tuple(rows),
        "The interval answers for noise alone; what encoding and heating within a frame add shows "
        "as the noise becomes small.",
    )  # fmt: skip


def _coverage(scene: Scene, runs: list[Seen], expected: Real) -> tuple[str, ...]:
    low = np.array([one.dose_low_cem43_min[-1][scene.hot] for one in runs])
    high = np.array([one.dose_high_cem43_min[-1][scene.hot] for one in runs])
    dose = np.array([one.dose_cem43_min[-1][scene.hot] for one in runs])
    covered = (low <= expected) & (expected <= high)
    return (
        f"{covered.mean():.1%}",
        f"{(expected < low).mean():.1%}",
        f"{(expected > high).mean():.1%}",
        f"{np.mean(dose.mean(axis=0) / expected) - 1:+.1%}",
        f"{np.median(low / expected):.2f} – {np.median(high / expected):.2f}",
        f"{covered.size}",
    )


def observe(
    scene: Scene, protocol: Protocol, arguments: argparse.Namespace
) -> dict[int, list[Seen]]:
    """Return what the monitor saw, by SNR."""
    n_seeds = {20: 8, TARGET_SNR: 24, 80: 8}
    if arguments.quick:
        n_seeds = {TARGET_SNR: 2}
    return {
        snr: [see(scene.played, protocol, snr=snr, seed=_seed(snr, n)) for n in range(n_seeds[snr])]
        for snr in n_seeds
    }


def _seed(snr: int, index: int) -> int:
    """No two runs share their noise."""
    return 1000 * snr + index


def measure(arguments: argparse.Namespace) -> Outcome:
    protocol = load_protocol("mrgfus-demo")
    place = scene(is_quick=arguments.quick)
    seen = observe(place, protocol, arguments)
    clean = see(place.played, protocol, snr=math.inf, seed=0)
    errors, of_frames = standardised(place, seen[TARGET_SNR])
    bias, bias_error = bias_c(place, seen[TARGET_SNR], place.hot, phase="hold", truth=UNIFORM)
    ramp, _ = bias_c(place, seen[TARGET_SNR], place.hot, phase="ramp", truth=UNIFORM)
    n_different = differs_through_gateway(
        place.played, seen[TARGET_SNR][0], snr=TARGET_SNR, seed=_seed(TARGET_SNR, 0)
    )
    doses, dose_errors = dose_table(place, clean)
    wide_doses, wide_errors = wide_dose_table(protocol, is_quick=arguments.quick)
    targets = (
        Target(
            f"standardised error outside the focus has std {LOWEST_STD}–{HIGHEST_STD} (SNR 40)",
            f"{errors.std():.3f}; single frames {min(of_frames):.3f}–{max(of_frames):.3f}",
            bool(LOWEST_STD <= errors.std() <= HIGHEST_STD),
        ),
        Target(
            f"bias in the focus under {MOST_BIAS_C} °C at SNR 40, plateau",
            f"{bias:+.3f} ± {bias_error:.3f} °C",
            abs(bias) < MOST_BIAS_C,
        ),
        Target(
            f"bias in the focus under {MOST_BIAS_C} °C at SNR 40, while heating at full power",
            f"{ramp:+.3f} °C",
            abs(ramp) < MOST_BIAS_C,
        ),
        *(
            Target(
                f"CEM43 within {MOST_DOSE_ERROR:.0%} at the hottest pixel, without noise, against "
                f"the truth {name} at the frames' times",
                f"{dose_errors[name]:+.2%}",
                abs(dose_errors[name]) < MOST_DOSE_ERROR,
            )
            for name in (FAIR, UNIFORM)
        ),
        Target(
            f"the same in a focus of {WIDE_FWHM_MM[0]:g} × {WIDE_FWHM_MM[1]:g} mm (the demo's has "
            f"3 × 6.5 mm), against the field averaged over the voxel",
            f"{wide_errors[VOXEL]:+.2%}",
            abs(wide_errors[VOXEL]) < MOST_DOSE_ERROR,
        ),
        Target(
            "the same bytes through gateway and worker give the same maps, bit for bit",
            f"{n_different} values differ",
            n_different == 0,
        ),
    )
    tables = (
        error_table(place, seen),
        bias_table(place, seen),
        doses,
        wide_doses,
        coverage_table(place, seen, clean),
    )
    return Outcome(targets, tables)


if __name__ == "__main__":
    sys.exit(run("temperature", measure, about=__doc__))
