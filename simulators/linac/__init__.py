"""A patient in the MR-linac: raw data of anatomy that moves from readout to readout.

    from simulators.linac import linac_scan, read_trace, cough, out_of_plane
    scan = linac_scan("lung-sagittal", sequence="radial", n_frames=480)
    scan = linac_scan("liver-sagittal", motion=read_trace(path), events=(cough(12.0),))
    scan = linac_scan("liver-sagittal", film=read_film(path))           # real motion, no truth
    scan = linac_scan("liver-sagittal", film=read_film(path), motion=CosFour())    # truth known

The result is a `LinacScan`. As every scan of the simulator it has `header_xml()`, `readouts()`
(noise scan, then each readout with its scanner time t_s and frame), `with_waveforms()`,
`messages()`, `sequence`, `n_coils`. Its truth:

    scan.truth(frame), scan.truth_at(t_s, slice_index=0)  -> LinacTruth (mask, contour, area, …)
    scan.target_displacement_lps_mm(t_s, since_s=None)    -> (…, 3), exact at any time
    scan.center_time_s(frame), scan.slice_of(frame)

Places are patient LPS. Sagittal pictures: x from front to back (+P), y from head to foot (-S), so
that slice_dir is -L. Coronal: x from right to left (+L), y -S, slice_dir +P. The middle of a
picture, pixel (n // 2, n // 2), lies at the header's position.
"""

from simulators.linac.bodies import Body
from simulators.linac.cine import BentCine, PlayedCine, bent_cine
from simulators.linac.events import (
    Excursion,
    Fade,
    NoiseBurst,
    baseline_shift,
    cough,
    deep_breath,
    gas,
    out_of_plane,
)
from simulators.linac.film import Film, read_film
from simulators.linac.motion import CosFour, Drift, Motion, Sinusoid, Still, Trace, read_trace
from simulators.linac.patients import LINAC_PATIENTS, LINAC_SEQUENCES, LinacPatient, linac_scan
from simulators.linac.scan import LinacScan
from simulators.linac.scene import Event, Gain, Scene
from simulators.linac.truth import LinacTruth, write_linac_truth

__all__ = [
    "LINAC_PATIENTS",
    "LINAC_SEQUENCES",
    "BentCine",
    "Body",
    "CosFour",
    "Drift",
    "Event",
    "Excursion",
    "Fade",
    "Film",
    "Gain",
    "LinacPatient",
    "LinacScan",
    "LinacTruth",
    "Motion",
    "NoiseBurst",
    "PlayedCine",
    "Scene",
    "Sinusoid",
    "Still",
    "Trace",
    "baseline_shift",
    "bent_cine",
    "cough",
    "deep_breath",
    "gas",
    "linac_scan",
    "out_of_plane",
    "read_film",
    "read_trace",
    "write_linac_truth",
]
