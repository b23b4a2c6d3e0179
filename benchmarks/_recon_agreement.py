"""Where the mathematics is the same, BART and we must agree; and both must agree with the phantom.

All data are the simulator's closed-form samples; the scale is fixed by one complex factor.
"""

from dataclasses import dataclass, replace

import numpy as np
import sigpy
import sigpy.alg
import sigpy.mri.linop
from _bart import as_kspace, as_samples, as_trajectory, bart, scaled_error
from _scan_frames import Played, play, reconstruct
from numpy.typing import NDArray

from messages import Image, is_imaging
from recon import CoilMaps, ReconstructionSettings
from recon.cg_sense import SenseCalibration
from recon.nufft import NUFFT
from simulators.scan import Scan
from simulators.sequences import CATALOGUE, Radial, Spiral

Complex = NDArray[np.complex64]
N_COILS = 8


@dataclass(frozen=True, slots=True)
class Agreement:
    """NRMSE between two images after one complex factor. against: who is taken as the truth."""

    what: str
    against: str
    error: float


def cartesian_fft(size: int) -> Agreement:
    """Compare coil images of a fully sampled, oversampled scan with `bart fft`."""
    played = play(Scan(CATALOGUE["gre"](n_frames=1, matrix=(size, size)), n_coils=N_COILS))
    image, _ = reconstruct(played.method("fft"), played.frames[0])
    theirs = bart("fft -i -u 3", as_kspace(_kspace(played, size))).array
    middle = slice(size // 2, size // 2 + size)
    cropped = theirs.reshape(N_COILS, size, 2 * size)[..., middle]
    return Agreement("FFT, 8 coils", "bart fft", scaled_error(_coils(image), cropped))


def sense(size: int) -> Agreement:
    """Compare unfolding weights with BART's iterations, the same maps given to both."""
    played = play(_accelerated(size))
    settings = ReconstructionSettings(regularisation=1e-6)
    image, calibration = reconstruct(played.method("sense", settings), played.frames[0])
    maps = _maps(calibration.maps)
    folded = sigpy.ifft(_kspace(played, size), axes=(-1,))[..., size // 2 : size // 2 + size]
    measured = as_kspace(sigpy.fft(folded, axes=(-1,)))
    theirs = bart("pics -l2 -r 0.000001 -i 100", measured, as_kspace(maps)).array
    return Agreement(
        "SENSE, R = 2", "bart pics, 100 iterations", scaled_error(image.pixels[0], theirs)
    )


def grappa(size: int) -> tuple[Agreement, Agreement]:
    """Compare synthesised lines with SENSE of the same data and with the full scan."""
    played = play(_accelerated(size))
    full = play(Scan(CATALOGUE["gre"](n_frames=1, matrix=(size, size)), n_coils=N_COILS))
    image, calibration = reconstruct(played.method("grappa"), played.frames[0])
    unfolded, _ = reconstruct(played.method("sense"), played.frames[0])
    coils = _coils(reconstruct(full.method("fft"), full.frames[0])[0])
    combined = np.sum(calibration.maps.weights[:, 0] * coils, axis=0)
    error = scaled_error(image.pixels[0], combined)
    between = scaled_error(image.pixels[0], unfolded.pixels[0])
    return (
        Agreement("GRAPPA, R = 2", "our SENSE of the same data", between),
        Agreement("GRAPPA, R = 2", "our FFT of the full scan", error),
    )


def nufft_adjoint(size: int, n_spokes: int) -> tuple[Agreement, ...]:
    """Compare the adjoint NUFFT of ramp-weighted spokes with BART's and with the sum itself."""
    played = play(_radial(size, n_spokes))
    coord, samples = _spokes(played, size)
    weighted = samples * np.linalg.norm(coord, axis=-1)
    ours = NUFFT((N_COILS, size, size), coord.reshape(-1, 2)).H * weighted.reshape(N_COILS, -1)
    theirs = bart(f"nufft -a -d {size}:{size}:1", as_trajectory(coord), as_samples(weighted)).array
    exact = _sum_of_waves(coord.reshape(-1, 2), weighted[0].ravel(), size)
    theirs = theirs.reshape(N_COILS, size, size)
    what = f"NUFFT adjoint, {n_spokes} spokes"
    return (
        Agreement(what, "bart nufft -a", scaled_error(ours, theirs)),
        Agreement(what, "the sum itself, one coil", scaled_error(ours[0], exact)),
        Agreement("bart nufft -a", "the sum itself, one coil", scaled_error(theirs[0], exact)),
    )


def cg_sense(size: int, n_spokes: int, regularisation: float) -> tuple[Agreement, Agreement]:
    """Compare converged, regularised least squares: the same maps and the same weight for all."""
    played = play(_radial(size, n_spokes))
    settings = ReconstructionSettings(iterations=100, regularisation=regularisation)
    image, known = reconstruct(played.method("cg-sense", settings), played.frames[0])
    if not isinstance(known, SenseCalibration):
        raise TypeError("cg-sense gave no calibration")
    coord, samples = _spokes(played, size)
    maps, damping = _maps(known.maps), settings.regularisation * known.eigenvalue
    theirs = bart(
        f"pics -l2 -r {damping:.9f} -i 100 -t",
        as_trajectory(coord), as_samples(samples), as_kspace(maps),
    ).array  # fmt: skip
    flat = samples.reshape(N_COILS, -1)
    sense = sigpy.mri.linop.Sense(maps, coord.reshape(-1, 2))
    sigpys = np.zeros((size, size), np.complex64)
    solver = sigpy.alg.ConjugateGradient(
        lambda x: sense.H(sense(x)) + np.float32(damping) * x, sense.H(flat), sigpys, max_iter=100
    )
    while not solver.done():
        solver.update()
    what = f"CG-SENSE, {n_spokes} spokes, λ = {regularisation:g} of the largest eigenvalue"
    theirs = theirs.reshape(size, size)
    return (
        Agreement(what, "bart pics, 100 iterations", scaled_error(image.pixels[0], theirs)),
        Agreement(what, "SigPy, 100 iterations", scaled_error(image.pixels[0], sigpys)),
    )


def gibbs(name: str, size: int) -> tuple[Agreement, ...]:
    """Compare a gridded image with the phantom: as its k-space disc shows it, and itself.

    The second error is Gibbs': the first image, complete up to its edge in k-space, has it too.
    """
    scan = Scan(_sequence(name, size), n_coils=N_COILS)
    played = play(scan)
    image, _ = reconstruct(played.method("nufft"), played.frames[0])
    coils = _in_view(_coils(image))
    disc = _in_view(_disc_image(scan, size))
    x_mm = (np.arange(size) - size // 2) * (scan.sequence.fov_mm[0] / size)
    phantom = _in_view(scan.coil_image(x_mm[None], x_mm[:, None]))
    return (
        Agreement(f"{name}, gridded", "the phantom's k-space disc", scaled_error(coils, disc)),
        Agreement(f"{name}, gridded", "the phantom itself", scaled_error(coils, phantom)),
        Agreement(f"{name}: the disc", "the phantom itself", scaled_error(disc, phantom)),
    )


def _accelerated(size: int) -> Scan:
    return Scan(CATALOGUE["grappa"](n_frames=1, matrix=(size, size)), n_coils=N_COILS)


def _radial(size: int, n_spokes: int) -> Scan:
    return Scan(_sequence("radial", size, spokes_per_frame=n_spokes), n_coils=N_COILS)


def _sequence(name: str, size: int, **changed: int) -> Radial | Spiral:
    """Return a scan without decay or field, whose trajectory comes in cycles/FOV."""
    if name == "spiral":
        return Spiral(matrix=(size, size), n_frames=1, n_arms=32)
    n_spokes = changed.get("spokes_per_frame", round(np.pi / 2 * size))
    return Radial(matrix=(size, size), n_frames=1, spokes_per_frame=n_spokes)


def _kspace(played: Played, size: int) -> Complex:
    """Return the imaging lines of the first frame in place, (coil, ky, kx)."""
    frame = played.frames[0]
    kspace = np.zeros((N_COILS, size, frame.samples.shape[2]), np.complex64)
    for row, samples in zip(frame.readouts, frame.samples, strict=True):
        if is_imaging(int(row["flags"])):
            kspace[:, row["kspace_encode_step_1"]] = samples
    return kspace


def _spokes(played: Played, size: int) -> tuple[NDArray[np.float32], Complex]:
    """Return coordinates (spoke, sample, (y, x)) and samples (coil, spoke, sample)."""
    frame = played.frames[0]
    if frame.trajectory is None:
        raise ValueError("the scan sends no trajectory")
    coord = frame.trajectory[..., [1, 0]].astype(np.float32)
    coord *= (size / 2) / np.abs(coord).max()
    return np.ascontiguousarray(coord), np.ascontiguousarray(frame.samples.transpose(1, 0, 2))


def _maps(maps: CoilMaps | None) -> Complex:
    if maps is None:
        raise ValueError("the first frame gave no coil maps")
    return np.ascontiguousarray(maps.weights[:, 0].conj())


def _coils(image: Image) -> Complex:
    if image.coil_pixels is None:
        raise ValueError("the method keeps no coil images")
    return image.coil_pixels[:, 0]


def _sum_of_waves(coord: NDArray[np.float32], samples: Complex, size: int) -> Complex:
    """Return Σ samples e^(2πi k·r) for every pixel, (y, x): exact, and slow."""
    places = np.arange(size) - size // 2
    along_y = np.exp(2j * np.pi * np.outer(places, coord[:, 0].astype(float)) / size)
    along_x = np.exp(2j * np.pi * np.outer(coord[:, 1].astype(float), places) / size)
    return np.asarray(along_y @ (samples[:, None] * along_x))


def _disc_image(scan: Scan, size: int) -> NDArray[np.complex128]:
    """Return the coils' images of the same disc of k-space, sampled on a grid, (coil, y, x)."""
    steps = (np.arange(size) - size // 2) / scan.sequence.fov_mm[0]
    k_y, k_x = np.meshgrid(steps, steps, indexing="ij")
    places = np.stack([k_x.ravel(), k_y.ravel(), np.zeros(size * size)], axis=1)
    planned = next(iter(scan.sequence.readouts()))
    on_grid = replace(planned, k_per_mm=places, since_excitation_s=planned.echo_time_s)
    kspace = scan.samples(on_grid).reshape(-1, size, size)
    kspace = kspace * (np.hypot(k_y, k_x) <= np.abs(steps).max())
    return np.asarray(sigpy.ifft(kspace, axes=(-2, -1)))


def _in_view(coils: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
    """Return the pixels inside the disc that spokes and arms 1 / FOV apart cover, (coil, pixel)."""
    size = coils.shape[-1]
    places = np.arange(size) - size // 2
    return coils[:, np.hypot(places[:, None], places) < 0.45 * size]
