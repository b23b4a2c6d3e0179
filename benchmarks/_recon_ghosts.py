"""The N/2 ghost of real EPI scans, through the whole monitor, with and without the correction."""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, binary_fill_holes

_PROTOCOL = """
[protocol]
name = "epi"
therapy = "imaging"
frame_deadline_ms = 1000.0
lease_ms = 4500.0
[recon]
method = "fft"
epi_phase_correction = "{correction}"
{more}
"""
# The Trio's header says Cartesian and 64 × 64; its lines are 96, every second one runs backwards,
# and what aligns them is a second file.
_TRIO = """
sampling = "epi"
encoded_matrix = [96, 96, 1]
recon_matrix = [96, 96, 1]
epi_reverse = "odd"
epi_reference = "trio_epi_1ch_navigator.h5"
"""
SCANS = {"skyra_epi_2ch.h5": "", "trio_epi_1ch.h5": _TRIO}


@dataclass(frozen=True, slots=True)
class Ghost:
    """Mean energy where the ghost stands and the patient does not, of one scan."""

    scan: str
    uncorrected: float
    corrected: float

    @property
    def falls(self) -> float:
        """How many times less energy the ghost has with the correction."""
        return self.uncorrected / self.corrected


def ghosts(scans: Path) -> tuple[Ghost, ...]:
    """Replay the real EPI scans of a folder. Raises OSError where they are not there."""
    return tuple(_ghost(scans, name, more) for name, more in SCANS.items())


def _ghost(scans: Path, name: str, more: str) -> Ghost:
    with tempfile.TemporaryDirectory() as folder:
        for reference in scans.glob("trio_epi_1ch_navigator.h5"):
            shutil.copy(reference, folder)
        images = {
            correction: _image(scans / name, Path(folder), correction, more)
            for correction in ("off", "linear")
        }
    of = images["linear"]
    bright = np.quantile(of, 0.95)
    patient = binary_dilation(binary_fill_holes(of > 0.25 * bright), iterations=3)
    solid = binary_erosion(of > 0.6 * bright)
    place = np.roll(solid, of.shape[0] // 2, axis=0) & ~patient
    energies = {key: float(np.mean(image[place] ** 2)) for key, image in images.items()}
    return Ghost(name, energies["off"], energies["linear"])


def _image(scan: Path, folder: Path, correction: str, more: str) -> NDArray[np.float32]:
    protocol = folder / f"{correction}.toml"
    protocol.write_text(_PROTOCOL.format(correction=correction, more=more), encoding="utf-8")
    out = folder / correction
    command = [sys.executable, "-m", "realtime.cli", "replay", str(scan)]
    done = subprocess.run(
        [*command, "--protocol", str(protocol), "--out", str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OSError(f"{scan.name}: {done.stdout.strip()} {done.stderr.strip()}")
    with h5py.File(out / "maps.h5") as maps:
        image: NDArray[np.float32] = maps["magnitude"][0, 0]
    return image
