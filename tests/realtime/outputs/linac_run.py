"""A small run of an MR-linac made by hand, sagittal, whose every figure is known."""

import csv
import json

import h5py
import numpy as np

from messages import (
    DeliveredDose,
    Finding,
    FrameKey,
    Maps,
    MotionReading,
    Pose,
    RunStart,
    RunStop,
    StructureDose,
    Verdict,
)
from messages.codec import decode, encode
from realtime.outputs.run_folder import RunFolder
from realtime.outputs.run_tables import STAGES

N = 64
PIXEL_MM = 4.0
FRAME_S = 0.125
LATENCY_S = 0.25
TRAINING = 16
MARGIN_MM = 3.0
CENTER_MM = (0.5, 0.0)  # of the gate
GY_PER_MU = 0.01
# y runs inferior, x posterior: a sagittal image as it is usually shown
POSE = Pose((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0))
PROTOCOL = """
[protocol]
name = "by-hand"
therapy = "mrlinac"
frame_deadline_ms = 100.0
lease_ms = 400.0
[recon]
method = "fft"
[motion]
tracker = "ncc-affine"
predictor = "rls"
latency_ms = 250.0
gate_margin_mm = 3.0
max_outside_percent = 5.0
[[region]]
name = "tumour"
role = "target"
shape = "ellipse"
center_px = [32.0, 30.0]
radii_px = [4.0, 3.0]
[[region]]
name = "stomach"
role = "organ-at-risk"
shape = "ellipse"
center_px = [40.0, 22.0]
radii_px = [5.0, 4.0]
"""


def breath_mm(time_s):
    """Displacement (y, x): 12 mm towards inferior, most of the time near exhale."""
    depth = 12.0 * np.sin(np.pi * time_s / 4.0) ** 4
    return np.stack([depth, -0.25 * depth], axis=-1)


def percent_outside(displacement_mm):
    """Return about how much of a target of 24 mm leaves the margin."""
    away = np.linalg.norm(np.asarray(displacement_mm) - CENTER_MM, axis=-1)
    return np.clip((away - MARGIN_MM) / 24.0, 0.0, 1.0) * 100.0


def ellipse(center_px, radii_px):
    y, x = np.mgrid[:N, :N]
    off = ((y - center_px[0]) / radii_px[0]) ** 2 + ((x - center_px[1]) / radii_px[1]) ** 2
    return off <= 1.0


def structure(name, role, level_gy, *, loss=0.0):
    figures = [level_gy * share for share in (0.97 - loss, 0.98 - loss, 1.0, 1.03, 1.0, 1.05)]
    return StructureDose(name, role, *figures, 94.0, 60.0)


def delivered(mu, planned_mu):
    both = (("tumour", "target", 1.0, 0.04), ("stomach", "organ-at-risk", 0.3, -0.05))
    level = mu * GY_PER_MU
    return DeliveredDose(
        mu, planned_mu,
        tuple(structure(n, r, s * level, loss=loss) for n, r, s, loss in both),
        tuple(structure(n, r, s * level) for n, r, s, _ in both),
        tuple(structure(n, r, s * planned_mu * GY_PER_MU, loss=loss) for n, r, s, loss in both),
    )  # fmt: skip


def take(folder, noun):
    folder.take(*decode(encode(noun, epoch="e", sequence=1)))


def image(displacement_mm):
    body = 0.5 * ellipse((32, 32), (29, 21)) + 0.15 * ellipse((22, 30), (14, 16))
    moved_px = np.asarray(displacement_mm) / PIXEL_MM
    body = body + 0.35 * ellipse(np.array((32.0, 30.0)) + moved_px, (4.0, 3.0))
    noise = np.random.default_rng(3).normal(0, 0.02, (N, N))
    return (body + noise).astype(np.float32)[np.newaxis]


def frame_of(index, *, slice_number=0):
    """Return verdict and maps of a frame; frames 60 to 62 are doubted, frame 70 is late."""
    time_s = index * FRAME_S
    place = tuple(float(one) for one in breath_mm(time_s))
    later = tuple(float(one) for one in breath_mm(time_s + LATENCY_S) + 0.2)
    is_training, is_doubted = index < TRAINING, 60 <= index < 63
    outside = float(percent_outside(place))
    foreseen = float(percent_outside(later))
    is_open = not is_training and not is_doubted and foreseen < 5.0
    findings = ()
    if is_doubted:
        findings = (Finding("tracking-lost", "hold", "similarity 0.41 below 0.80; jump"),)
    elif not is_training and not is_open:
        findings = (Finding("gate", "hold", f"{foreseen:.0f} % outside at beam effect"),)
    elif is_training:
        findings = ()
    mu = 4.0 * max(index - TRAINING, 0)
    motion = MotionReading(
        time_s, place, (0.0, place[1], -place[0]), 0.41 if is_doubted else 0.97,
        None if is_training else 0.80, 1200.0, 6000.0,
        ("low-similarity",) if is_doubted else (),
        None if is_training else time_s + LATENCY_S,
        None if is_training else later,
        None if is_training else (later[0] - 1.0, later[1] - 0.5),
        None if is_training else (later[0] + 1.0, later[1] + 0.5),
        None if is_training else outside, None if is_training else foreseen,
        None if is_training else min(foreseen / 10.0, 1.0), is_open,
        is_open, None if is_training else CENTER_MM, 0,
    )  # fmt: skip
    is_late = index == 70
    verdict = Verdict(
        index, FrameKey(repetition=index, slice=slice_number), "LATE" if is_late else "COMPUTED",
        "GRANTED" if is_open else "HELD", None if is_late else time_s,
        (Finding("late-frame", "hold", "later than 100 ms"),) if is_late else findings,
        age_ms=12.0, stage_ms=None if is_late else dict.fromkeys(STAGES, 1.0),
        permit="GRANTED" if is_open and not is_late else "HELD",
        baseline_frames=min(index + 1, TRAINING), baseline_wanted=TRAINING,
        motion=None if is_late else motion,
        delivered=None if is_late or is_training else delivered(mu, 640.0),
    )  # fmt: skip
    target = ellipse(np.array((32.0, 30.0)) + np.array(place) / PIXEL_MM, (4.0, 3.0))
    y, x = np.mgrid[:N, :N]
    cloud = np.exp(-((y - 32.0) ** 2 + (x - 30.0) ** 2) / 60.0)
    dose_gy = (mu * GY_PER_MU * cloud).astype(np.float32)
    maps = Maps(
        index, verdict.key, time_s, (N * PIXEL_MM, N * PIXEL_MM, 5.0), POSE, image(place),
        target_mask=target[np.newaxis], dose_gy=dose_gy[np.newaxis],
    )  # fmt: skip
    return verdict, maps


def linac_run(path, *, n_frames=112, with_beams=True):
    """Write the run folder."""
    start = RunStart(
        "run-1", "by-hand", "abc123", "mrlinac", "digest", "simulated", "2026-01-01T00:00:00",
        "machine", {"python": "3.11"}, (1, N, N), (N * PIXEL_MM, N * PIXEL_MM, 5.0), 100.0, 400.0,
        {"total": 2.0},
    )  # fmt: skip
    folder = RunFolder(path, start)
    for index in range(n_frames):
        verdict, maps = frame_of(index)
        take(folder, verdict)
        if verdict.outcome == "COMPUTED":
            take(folder, maps)
    take(folder, RunStop("run-1", "completed", "end", "2026", n_frames, 1, 0, 0, 100, 0))
    folder.close()
    (path / "protocol.toml").write_text(PROTOCOL)
    if with_beams:
        write_beams(path, n_frames=n_frames)
    return path


def write_beams(path, *, n_frames):
    with (path / "beams.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("time_s", "number", "is_on", "mu", "frame"))
        for index in range(TRAINING, n_frames):
            is_on = frame_of(index)[0].motion is not None and frame_of(index)[0].motion.is_beam_on
            rows.writerow((index * FRAME_S + 0.2, 1, int(is_on), 4.0 * (index - TRAINING), index))


def write_truth(path, *, n_frames, offset_mm=(0.3, -0.4), starts_s=5.0):
    """The truth of a scan whose clock began earlier; it is off by a constant but in the reference.

    Its displacements count from 3 mm beside the reference: where it counts from says nothing.
    """
    times_s = np.arange(n_frames) * FRAME_S
    at_mm = breath_mm(times_s) + 3.0
    at_mm[1:] -= offset_mm
    path_s = np.arange(0.0, times_s[-1], 0.01)
    moved = breath_mm(path_s)
    with h5py.File(path / "truth.h5", "w") as file:
        file["frame_time_s"] = times_s + starts_s
        file["displacement_mm"] = at_mm
        file["path_time_s"] = path_s + starts_s
        lps = np.stack([0 * path_s, moved[:, 1], -moved[:, 0]], axis=1)
        file["path_displacement_lps_mm"] = lps


def write_closed_loop(path, *, true_d98_gy):
    figures = {"d98_gy": true_d98_gy, "d95_gy": 1.0, "mean_gy": 1.0, "d2_gy": 1.0}
    beam = {
        "duty_percent": 57.0, "beam_on_outside_percent": 3.2, "ungated_outside_percent": 41.0,
        "center_outside_percent": 4.0,
        "holds": [{"asked": {"t_s": 4.0, "cause": "held"}, "off_s": 4.2}, "odd"],
        "structures": [{"name": "tumour", "delivered": figures, "ungated": figures}],
    }  # fmt: skip
    (path / "closed_loop.json").write_text(json.dumps({"status": "completed", "beam": beam}))
