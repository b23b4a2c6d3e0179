"""A target that is half fat, in raw echo trains, as the water-fat method shows it to its rule."""

from dataclasses import replace

from _scan_frames import play

from messages import Verdict
from realtime import pipeline
from realtime.pipeline import NoiseScan, PipelineState
from realtime.protocol import parse_protocol
from simulators.phantom import Ellipse
from simulators.sequences import CATALOGUE
from simulators.tissue import FAT, WATER, Part, Tissue
from simulators.tissue_scan import TissueScan

_N_PX, _FOV_MM, _N_COILS = 24, 84.0, 2
_N_BASELINE, _N_FRAMES, _PAUSE_S = 2, 4, 2.0
_T2_STAR_S = 0.04
_ECHO_TIMES_S = (0.014, 0.018, 0.022, 0.026, 0.03)
_PROTOCOL = f"""
[protocol]
name = "fatty-region"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 20000.0
[recon]
method = "fft"
[thermometry]
method = "water-fat"
baseline_frames = {_N_BASELINE}
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = 0
heated_margin_px = 3.0
max_std_c = 5.0
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [12.0, 12.0]
radii_px = [2.0, 2.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 90.0
[[limit]]
rule = "fat"
region = "focus"
"""


def events_of(fat_share: float) -> frozenset[str]:
    """Return the events that the measured frames of a target with this share of fat raise."""
    sequence = CATALOGUE["multi-echo"](
        n_frames=_N_FRAMES,
        matrix=(_N_PX, _N_PX),
        fov_mm=(_FOV_MM, _FOV_MM),
        echo_times_s=_ECHO_TIMES_S,
        repetition_time_s=0.036,
    )
    body = Ellipse(1.0, (0, 0), (34, 30))
    depot = Ellipse(fat_share, (0, 0), (14, 14))
    gone = replace(depot, weight=-fat_share)
    fat = (depot,) if fat_share > 0 else ()
    tissue = Tissue(
        parts=(Part(water=(body, gone), fat=fat),),
        water=replace(WATER, t2_star_s=_T2_STAR_S),
        fat=replace(FAT, t2_star_s=_T2_STAR_S),
    )
    scan = TissueScan(sequence, tissue, n_coils=_N_COILS, snr=60.0, pause_s=_PAUSE_S)
    return frozenset(
        f"{one.rule}.{one.severity}"
        for verdict in _verdicts(scan)[_N_BASELINE:]
        for one in verdict.findings
    )


def _verdicts(scan: TissueScan) -> list[Verdict]:
    played = play(scan, joins_echoes=True)
    sequence = scan.sequence
    _, n_coils, n_samples = played.frames[0].samples.shape
    built = pipeline.build(
        parse_protocol(_PROTOCOL),
        played.header,
        n_coils=n_coils,
        n_samples=n_samples,
        noise=NoiseScan(played.noise, sequence.noise_sample_time_us, sequence.sample_time_us),
    )
    state, verdicts = PipelineState(), []
    for number, frame in enumerate(played.frames):
        timed = replace(frame, time_s=scan.center_time_s(number))
        state, verdict, _ = pipeline.fold(built, state, timed)
        verdicts.append(verdict)
    return verdicts
