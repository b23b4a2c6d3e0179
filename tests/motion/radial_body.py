"""A moving body before complex coils, in closed form: the centre of k-space of golden-angle spokes.

The body is a sum of Gaussians, each coil's sensitivity a Gaussian with a phase ramp, so that the
signal at any k is a product of Gaussian integrals. Shares nothing with motion/.
"""

from dataclasses import dataclass, field

import numpy as np

from motion.navigator_spokes import NavigatorSpokes

TR_S = 0.0037
GOLDEN_RAD = np.pi * (np.sqrt(5) - 1) / 2

# (y, x) mm, width mm, amplitude, share of the target's motion that it takes part in
BLOBS = {
    "trunk": ((0.0, 0.0), 60.0, 1.0, 0.0),
    "liver": ((-60.0, 20.0), 35.0, 0.7, 1.0),
    "target": ((-45.0, 30.0), 9.0, 0.2, 1.0),
    "bowel": ((90.0, 10.0), 40.0, 0.4, 0.2),
    "wall": ((0.0, 95.0), 15.0, 0.3, 0.5),
    "heart": ((-110.0, 10.0), 25.0, 0.4, 0.3),
}
BEATS_HZ = 1.13


@dataclass
class Body:
    """path: times (n,) → (n, 2) mm, displacement (y, x). delay_per_mm: shift of the k-centre."""

    path: object
    n_coils: int = 8
    noise: float = 0.001  # of the signal
    drift_rad_per_s: float = 0.5
    delay_per_mm: float = 2e-4
    heart: float = 0.2  # share of its amplitude by which it beats, and 3 mm to the side
    wall_lag_s: float = 0.3
    seed: int = 0
    coils: list = field(default_factory=list)

    def __post_init__(self):
        turn = 2 * np.pi * np.arange(self.n_coils) / self.n_coils
        for at in turn:
            centre = 160.0 * np.array([np.sin(at), np.cos(at)])
            self.coils.append((centre, 110.0, np.exp(1j * at), 0.004 * np.array([1.0, -0.5])))

    def clean(self, times, angles):
        """Return the signal (spoke, coil) without noise."""
        k = 2 * np.pi * self.delay_per_mm * np.stack([np.sin(angles), np.cos(angles)], axis=-1)
        out = np.zeros((len(times), self.n_coils), np.complex128)
        beat = np.sin(2 * np.pi * BEATS_HZ * times)
        for name, (at, width, amplitude, share) in BLOBS.items():
            lag_s = self.wall_lag_s if name == "wall" else 0.0
            place = np.array(at) + share * self.path(np.maximum(times - lag_s, 0.0))
            size = np.full(len(times), amplitude)
            if name == "heart":
                place = place + 15.0 * self.heart * np.stack([0 * beat, beat], -1)
                size = size * (1 + self.heart * beat)
            for c, (centre, reach, phase, ramp) in enumerate(self.coils):
                both = width**2 * reach**2 / (width**2 + reach**2)
                middle = (place * reach**2 + centre * width**2) / (width**2 + reach**2)
                off = np.sum((place - centre) ** 2, axis=-1)
                wave = ramp - k
                out[:, c] += (
                    size * phase * both / width**2
                    * np.exp(-off / 2 / (width**2 + reach**2))
                    * np.exp(1j * np.sum(wave * middle, -1) - both * np.sum(wave**2, -1) / 2)
                )  # fmt: skip
        return out

    def spokes(self, first, n):
        """Return spokes first … first + n."""
        index = first + np.arange(n)
        times, angles = TR_S * index, np.mod(GOLDEN_RAD * index, 2 * np.pi)
        rng = np.random.default_rng([self.seed, first])
        seen = self.clean(times, angles) * np.exp(1j * self.drift_rad_per_s * times)[:, None]
        size = self.noise * np.abs(seen).max() / np.sqrt(2)
        seen = seen + size * (
            rng.standard_normal(seen.shape) + 1j * rng.standard_normal(seen.shape)
        )
        return NavigatorSpokes(times, seen.astype(np.complex64), angles)
