"""A region that an RTSTRUCT draws lies in the image where it lies in the patient."""

import numpy as np
import pytest

from messages import Pose, ProtocolError
from realtime.protocol import parse_protocol
from realtime.regions import region_masks
from tests.realtime.rt.rt_files import save_structures, square

SHAPE, FOV_MM = (1, 64, 48), (96.0, 128.0, 5.0)  # 2 mm pixels
SAGITTAL = Pose(
    position_mm=(2.0, 0.0, 0.0),
    read_dir=(0.0, 1.0, 0.0),
    phase_dir=(0.0, 0.0, -1.0),
    slice_dir=(1.0, 0.0, 0.0),
)
TEXT = """
[protocol]
name = "bench"
therapy = "imaging"
frame_deadline_ms = 100.0
lease_ms = 4500.0
[recon]
method = "fft"
[[region]]
name = "target"
role = "target"
structures = "s.dcm"
roi = "GTV"
"""


def drawn(folder, center=(0.0, 6.0), zs=range(-9, 22, 3)):
    save_structures(folder / "s.dcm", {"GTV": [square(z, 9.0, center) for z in zs]})
    return parse_protocol(TEXT, folder=folder)


def masks(protocol, pose=SAGITTAL, **named):
    return region_masks(protocol, shape=SHAPE, fov_mm=FOV_MM, pose=pose, **named)


def test_transverse_contours_meet_a_sagittal_image(tmp_path):
    """y of the patient from -3 to 15 along x, z from -10.5 to 22.5 against y of the image."""
    (mask,) = masks(drawn(tmp_path)).values()
    rows, columns = np.nonzero(mask[0])
    assert (columns.min() - 24, columns.max() - 24) == (-1, 7)
    assert (rows.min() - 32, rows.max() - 32) == (-11, 5)
    assert mask.sum() == 9 * 17


def test_a_slice_beside_the_structure_has_no_such_region(tmp_path):
    beside = Pose((40.0, 0.0, 0.0), SAGITTAL.read_dir, SAGITTAL.phase_dir, SAGITTAL.slice_dir)
    protocol = drawn(tmp_path)
    assert masks(protocol, beside, slice_number=1) == {}
    with pytest.raises(ProtocolError, match="has no pixel"):
        masks(protocol, beside)


def test_a_structure_that_reaches_out_of_the_image_is_refused(tmp_path):
    with pytest.raises(ProtocolError, match=r"region\[0\]\.roi: .* reaches out of the image"):
        masks(drawn(tmp_path, center=(0.0, 45.0)))


def test_the_hash_covers_the_contours_and_the_run_keeps_the_file(tmp_path):
    one, other = drawn(tmp_path), drawn(tmp_path, center=(0.0, 7.0))
    assert one.hash != other.hash
    assert one.files == ("s.dcm",)


REFUSED = {
    "no roi": (TEXT.replace('roi = "GTV"\n', ""), "region[0].structures"),
    "a shape too": (TEXT + 'shape = "ellipse"\n', "region[0].shape"),
    "another roi": (TEXT.replace('"GTV"', '"PTV"'), "region[0].structures"),
    "another folder": (TEXT.replace('"s.dcm"', '"../s.dcm"'), "region[0].structures"),
    "no such file": (TEXT.replace('"s.dcm"', '"t.dcm"'), "region[0].structures"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_names_the_key(what, tmp_path):
    drawn(tmp_path)
    text, key = REFUSED[what]
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text, folder=tmp_path)
    assert caught.value.key == key, str(caught.value)
