"""An MR-linac's pipeline on a small image, and the dose plan of one beam."""

import numpy as np

from messages import Encoding, SessionHeader
from motion.dose import DoseCloud, DoseGrid, DosePlan, Structure
from realtime import pipeline
from realtime.protocol import load_protocol, parse_protocol

N, N_COILS, MM = 64, 3, (128.0, 128.0, 5.0)
ROUND = """shape = "ellipse"
center_px = [32.0, 32.0]
radii_px = [6.0, 6.0]"""


def motion_protocol(name, *, shape=ROUND, **motion):
    """A shipped protocol whose target lies in the middle; motion: other values of its keys."""
    text = load_protocol(name).text
    before, region = text.split("[[region]]", 1)
    first, *others = region.split("[[")
    kept = [line for line in first.splitlines() if line.startswith(("name", "role"))]
    region = "\n".join(["[[region]]", *kept, shape, ""])
    others = [one for one in others if not one.startswith("region]]")]
    others = [one for one in others if "region = " not in one]
    before = before.splitlines()
    for key, value in motion.items():
        at = next(n for n, line in enumerate(before) if line.startswith(f"{key} = "))
        before[at] = f"{key} = {value}"
    before = "\n".join([*before, ""])
    return parse_protocol(before + region + "".join(f"[[{one}" for one in others))


def header_of(*, n_slices=1, depth=1):
    """The header of a scan of every line."""
    matrix, extent_mm = (N, N, depth), (*MM[:2], MM[2] * depth)
    encoding = Encoding(matrix, matrix, extent_mm, extent_mm, "cartesian", n_slices=n_slices)
    return SessionHeader(b"", (encoding,))


def pipeline_of(protocol, *, dose_plan=None, **header):
    """The pipeline of a scan of every line."""
    return pipeline.build(
        protocol, header_of(**header), n_coils=N_COILS, n_samples=N,
        noise=None, imaging_sample_time_us=5.0, dose_plan=dose_plan,
    )  # fmt: skip


def one_beam():
    """One beam of 100 monitor units that gives a gray everywhere."""
    shape = (4, 17, 17)
    grid = DoseGrid(
        shape, (-64.0, -64.0, -12.0), ((0.0, 0.0, 8.0), (0.0, 8.0, 0.0), (8.0, 0.0, 0.0))
    )
    points_mm = np.array([[x, y, 0.0] for x in (-4.0, 0.0, 4.0) for y in (-4.0, 0.0, 4.0)])
    target = Structure("GTV", "target", points_mm, np.ones(9))
    cloud = DoseCloud(1, 100.0, np.ones(shape, np.float32), grid)
    return DosePlan((cloud,), (target,), "GTV", 1.0)
