"""Reconstruction against BART, SigPy and the phantom, and what is left to do at the end."""

import argparse
import os
import sys
from pathlib import Path

import _bart
import _path  # noqa: F401 - first of all that is not Python's own
import _recon_agreement as agreement
from _recon_ghosts import Ghost, ghosts
from _recon_speed import Iteration, Tail, iteration, tails
from _table import ROOT, MeasurementError, Outcome, Table, Target, run
from threadpoolctl import threadpool_limits

import recon.fft

MOST_NRMSE = 0.01
TIMES_SIGPY = 4.0
MOST_CARTESIAN_TAIL, MOST_RADIAL_TAIL = 0.60, 0.25
TIMES_LESS_GHOST = 10.0


def measure(arguments: argparse.Namespace) -> Outcome:
    """Return every figure of the page's section on reconstruction."""
    threadpool_limits(limits=1)  # as the worker has it
    if not _bart.is_installed():
        raise MeasurementError("bart is not installed (Debian package `bart`)")
    size = 32 if arguments.quick else 128
    agreements = _agreements(size)
    gibbs = [one for name in ("radial", "spiral") for one in agreement.gibbs(name, size)]
    cases = ((32, 16, 64),) if arguments.quick else ((128, 34, 256), (256, 89, 512))
    iterations = [iteration(*case, n_rounds=3 if arguments.quick else 20) for case in cases]
    tail_cases = ((32, 16),) if arguments.quick else ((128, 34), (256, 89))
    n_frames = 4 if arguments.quick else 24
    left = [one for case in tail_cases for one in tails(*case, n_frames=n_frames)]
    scans = ghosts(Path(os.environ.get("MRMONITOR_DATA", ROOT.parent / "shared" / "data")) / "mrd")
    targets = (
        *_agreement_targets(agreements),
        *_gibbs_targets(gibbs),
        *_speed_targets(iterations),
        *_tail_targets(left),
        *_ghost_targets(scans),
    )
    return Outcome(
        targets,
        (
            _agreement_table(agreements, gibbs, size),
            _iteration_table(iterations),
            _tail_table(left),
            _ghost_table(scans),
        ),
    )


def _agreements(size: int) -> list[agreement.Agreement]:
    n_spokes = (round(0.7 * size), round(0.27 * size))
    return [
        agreement.cartesian_fft(size),
        agreement.sense(size),
        *agreement.grappa(size),
        *agreement.nufft_adjoint(size, n_spokes[0]),
        *(one for n in n_spokes for λ in (1e-3, 1e-4) for one in agreement.cg_sense(size, n, λ)),
    ]


def _agreement_targets(found: list[agreement.Agreement]) -> list[Target]:
    return [
        Target(
            f"{one.what} agrees with {one.against} within NRMSE 1 %",
            f"{100 * one.error:.2g} %",
            one.error <= MOST_NRMSE,
        )
        for one in found
        if one.against.startswith("bart")
    ]


def _gibbs_targets(found: list[agreement.Agreement]) -> list[Target]:
    """Allow a gridded image to miss the phantom by what its own k-space disc misses it by."""
    targets = []
    for gridded, disc in zip(found[1::3], found[2::3], strict=True):
        targets.append(
            Target(
                f"{gridded.what}: misses the phantom by its Gibbs error, within a tenth of it",
                f"{100 * gridded.error:.2f} % against {100 * disc.error:.2f} %",
                gridded.error <= 1.1 * disc.error,
            )
        )
    return targets


def _speed_targets(found: list[Iteration]) -> list[Target]:
    targets = []
    for one in found:
        ratio = one.sigpy_ms / one.ours_ms
        targets += [
            Target(
                f"CG iteration, {one.case}: at least 4 × SigPy's",
                f"{ratio:.1f} ×",
                ratio >= TIMES_SIGPY,
            ),
            Target(
                f"CG iteration, {one.case}: less than BART's",
                f"{one.ours_ms:.2f} against {one.bart_ms:.2f} ms",
                one.ours_ms < one.bart_ms,
            ),
        ]
    return targets


def _tail_targets(found: list[Tail]) -> list[Target]:
    targets = []
    for one in found:
        most = MOST_RADIAL_TAIL if one.case.startswith("nufft") else MOST_CARTESIAN_TAIL
        targets.append(
            Target(
                f"{one.case}: at most {100 * most:.0f} % left after the last readout",
                f"{100 * one.share:.0f} %",
                one.share <= most,
            )
        )
    return targets


def _ghost_targets(found: tuple[Ghost, ...]) -> list[Target]:
    return [
        Target(
            f"{one.scan}: N/2 ghost energy falls at least tenfold",
            f"{one.falls:.0f} times",
            one.falls >= TIMES_LESS_GHOST,
        )
        for one in found
    ]


def _agreement_table(
    found: list[agreement.Agreement], gibbs: list[agreement.Agreement], size: int
) -> Table:
    rows = tuple((one.what, one.against, f"{100 * one.error:.2g} %") for one in [*found, *gibbs])
    return Table(
        "Agreement, NRMSE after one complex factor",
        ("image", "against", "NRMSE"),
        rows,
        f"{size}², {agreement.N_COILS} coils, noise-free closed-form samples of the simulator; "
        f"BART {_bart.version()}. BART has no GRAPPA: that is compared with SENSE of the same "
        "data, whose mathematics differ, and with the full scan. Maps and damping are the same "
        "for all in SENSE and CG-SENSE; the less λ holds it, the more the least-squares problem "
        "magnifies what the NUFFTs differ by (each one's error against the sum itself stands "
        "above). The disc is the phantom's k-space on a Cartesian grid, cut to the circle that "
        "spokes and arms reach: it has Gibbs' error and no other. Gridded images are compared "
        "inside 0.45 of the field of view.",
    )


def _iteration_table(found: list[Iteration]) -> Table:
    rows = tuple(
        (
            one.case,
            f"{one.ours_ms:.2f}",
            f"{one.sigpy_ms:.1f} ({one.sigpy_ms / one.ours_ms:.1f} ×)",
            f"{one.bart_ms:.1f} ({one.bart_ms / one.ours_ms:.1f} ×)",
            f"{one.kernel_ms:.1f}",
        )
        for one in found
    )
    return Table(
        "One iteration of radial CG-SENSE, ms",
        ("case", "ours", "SigPy `Sense.H * Sense`", "BART `pics`", "our kernel, once a frame"),
        rows,
        "One thread. Ours: Toeplitz normal operator and preconditioner, median, in turns with "
        "SigPy's. BART: a process of 21 iterations less one of 1, each the least of three, by 20.",
    )


def _tail_table(found: list[Tail]) -> Table:
    rows = tuple(
        (one.case, f"{one.absorb_ms:.2f}", f"{one.finish_ms:.2f}", f"{100 * one.share:.0f} %")
        for one in found
    )
    return Table(
        "A frame while its readouts land and after the last, ms",
        ("case", "all readouts", "after the last", "left"),
        rows,
        "One thread, 8 coils, readouts one by one, coil maps known; medians of whole frames; "
        f"gridded frames with {'scipy.fft' if recon.fft.pyfftw is None else 'FFTW'}.",
    )


def _ghost_table(found: tuple[Ghost, ...]) -> Table:
    rows = tuple(
        (one.scan, f"{one.uncorrected:.3g}", f"{one.corrected:.3g}", f"{one.falls:.0f} ×")
        for one in found
    )
    return Table(
        "Energy where the N/2 ghost stands and the patient does not, real scans",
        ("scan", "uncorrected", "corrected", "falls"),
        rows,
        "Through `mrmonitor replay`. Ghost: the bright object moved by half the field of view, "
        "without what lies within 3 pixels of the object; what is left there is noise and ghost.",
    )


if __name__ == "__main__":
    sys.exit(run("reconstruction", measure, about=__doc__ or ""))
