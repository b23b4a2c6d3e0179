"""Real and made-up film behind simulated coils: played, and bent by a known motion."""

import numpy as np
import pytest

from simulators.linac import (
    LINAC_PATIENTS,
    BentCine,
    CosFour,
    Fade,
    Film,
    LinacScan,
    PlayedCine,
    Sinusoid,
    Still,
    bent_cine,
    cough,
    linac_scan,
    read_film,
)
from tests.simulators.linac_images import centroid_mm, direct_image

PIXEL_MM = 380 / 128


def blob_film(n_frames=3):
    """A disc of signal 1 on 0.2 that falls by 2 mm a frame; 0.1 s between the frames."""
    y, x = np.mgrid[-100:100:2.0, -80:80:2.0]
    frames = [0.2 + 0.8 * ((x - 10) ** 2 + (y + 6 - 2 * i) ** 2 < 12**2) for i in range(n_frames)]
    return Film(np.array(frames, np.float32), np.arange(n_frames) * 0.1, (2.0, 2.0))


def played(film, *, sequence="cartesian-r2", n_coils=2, **of_sequence):
    planned = LINAC_PATIENTS["liver-sagittal"].played_by(sequence, n_frames=2, **of_sequence)
    return LinacScan(planned, PlayedCine(film=film), n_coils=n_coils)


def bent(motion, *, sequence="cartesian", n_coils=2, events=(), **of_sequence):
    planned = LINAC_PATIENTS["liver-sagittal"].played_by(sequence, n_frames=4, **of_sequence)
    cine = BentCine(film=blob_film(), center_mm=(10.0, -6.0), motion=motion, events=events)
    return LinacScan(planned, cine, n_coils=n_coils)


def explicit(places, signal, planned, waves):
    """The defining sum of one readout, (wave, sample)."""
    k_per_mm = planned.k_per_mm[None, ::16, :2] - waves[:, None, :]
    turns = np.einsum("wsk,pk->wsp", k_per_mm, places)
    return np.exp(-2j * np.pi * turns) @ signal


def test_points_are_finer_than_pixels_and_hold_the_same_signal():
    film = blob_film()
    places, signal = film.points(0)
    assert np.diff(np.unique(places[:, 0])).max() <= 1.0
    assert signal.sum() == pytest.approx(film.frames[0].sum() * 4.0, rel=1e-3)
    middle = (places * signal[:, None]).sum(0) / signal.sum()
    y, x = np.mgrid[-100:100:2.0, -80:80:2.0]
    pixels = film.frames[0]
    assert middle == pytest.approx([(x * pixels).sum() / pixels.sum(),
                                    (y * pixels).sum() / pixels.sum()], abs=0.02)  # fmt: skip


def test_played_film_is_a_mixture_of_the_frames_about_each_readout():
    scan, film = played(blob_film()), blob_film()
    planned = scan.sequence.frame_readouts(0, 0.0)[31]
    at = planned.t_s / 0.1
    waves = scan.coils[0].waves_per_mm
    sums = [explicit(*film.points(i), planned, waves) for i in (0, 1)]
    assert 0 < at < 1
    expected = (1 - at) * sums[0] + at * sums[1]
    got = scan.views[0].waves(planned)[:, ::16]
    assert abs(got - expected).max() < 1e-7 * abs(film.points(0)[1]).sum()


@pytest.mark.parametrize("sequence", ["cartesian-r2", "radial"])
@pytest.mark.parametrize("events", [(), (cough(0.06),)])
def test_a_bent_film_is_the_explicit_sum_over_its_moved_points(sequence, events):
    scan = bent(CosFour(period_s=2.0), sequence=sequence, events=events, matrix=(64, 64))
    cine = scan.scene
    places, signal = cine.film.points(0)
    for frame, index in ((0, 3), (0, 25), (2, 17)):
        planned = scan.sequence.frame_readouts(frame, scan.sequence.start_s(frame))[index]
        _, back, up = cine.displacement_mm(np.array(planned.t_s))
        away = (((places - cine.center_mm) / cine.reach_mm) ** 2).sum(1)
        moved = places + np.exp(-(away**2))[:, None] * np.array([back, -up])
        expected = explicit(moved, signal, planned, scan.coils[0].waves_per_mm)
        got = scan.views[0].waves(planned)[:, ::16]
        # interpolation in time: 1e-4 of the phase of the points that move
        assert abs(got - expected).max() < 1e-4 * signal.sum()
        assert abs(got - expected).max() < 3e-3 * abs(expected).max()


@pytest.mark.parametrize("moved", [(0.0, 0.0, 0.0), (0.0, 4.0, -9.0)])
def test_the_bent_target_in_the_image_lies_where_the_truth_says(moved):
    motion = Sinusoid(amplitude_mm=moved, phase_rad=np.pi / 2, period_s=1e9)
    scan = bent(motion)
    seen = centroid_mm(*direct_image(scan, 0), background=0.2)
    truth = scan.truth(0)
    assert seen == pytest.approx(truth.center_mm, abs=0.1 * PIXEL_MM)
    assert truth.center_mm == pytest.approx(np.array([-6 - moved[2], 10 + moved[1]]), abs=0.05)


def test_the_bent_mask_area_and_contour_agree():
    scan = bent(Sinusoid(amplitude_mm=(0, 4, -9), phase_rad=np.pi / 2, period_s=1e9),
                matrix=(512, 512))  # fmt: skip
    truth = scan.truth(0)
    assert truth.mask.sum() * (380 / 512) ** 2 == pytest.approx(truth.area_mm2, rel=0.02)
    assert truth.area_mm2 == pytest.approx(np.pi * 12**2, rel=0.02)
    rows, columns = np.nonzero(truth.mask)
    middle = np.array(
        [scan.sequence.rows_mm[rows].mean(), scan.sequence.columns_mm[columns].mean()]
    )
    assert middle == pytest.approx(truth.center_mm, abs=0.1)


def test_signal_is_neither_made_nor_lost_by_bending():
    scan = bent(CosFour(depth_mm=(0.0, -4.0, -20.0), period_s=0.4), n_coils=1)
    frame = scan.sequence.frame_readouts(0, 0.0)
    middle = frame[64]
    assert middle.k_per_mm[middle.center_sample] == pytest.approx(0)
    signal = scan.views[0].waves(middle)[4, middle.center_sample]
    assert signal == pytest.approx(blob_film().points(0)[1].sum(), rel=1e-4)


def test_a_played_film_has_no_truth():
    truth = played(blob_film()).truth(1)
    assert np.isnan(truth.displacement_lps_mm).all()
    assert np.isnan(truth.center_mm).all()
    assert not truth.mask.any()


def test_what_a_film_cannot_do_is_refused():
    film = blob_film()
    with pytest.raises(ValueError, match="one plane"):
        linac_scan("sagittal-coronal", film=film, n_frames=2)
    with pytest.raises(ValueError, match="does not fade"):
        bent_cine(film, motion=Still(), events=(Fade(at_s=1.0),))
    with pytest.raises(ValueError, match="moves by itself"):
        PlayedCine(film=film, events=(cough(1.0),))


def test_files_that_are_no_film_are_refused(tmp_path):
    text, other, empty = (tmp_path / name for name in ("a.npz", "b.npz", "c.npz"))
    text.write_text("not zipped")
    np.savez(other, pictures=np.zeros((2, 3, 3)))
    np.savez(empty, frames=np.zeros((2, 3)))
    for file in (text, other, empty, tmp_path / "none.npz"):
        with pytest.raises(ValueError, match="expected"):
            read_film(file)


def test_a_film_without_times_and_spacing_takes_those_that_are_given(tmp_path):
    np.savez(tmp_path / "film.npz", frames=np.ones((3, 8, 8), np.uint8), t=np.zeros(0),
             spacing=np.full(2, np.nan))  # fmt: skip
    film = read_film(tmp_path / "film.npz", spacing_mm=1.5, frame_time_s=0.25)
    assert film.spacing_mm == (1.5, 1.5)
    assert film.times_s.tolist() == [0.0, 0.25, 0.5]


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["liver_a", "lung_a"])
def test_a_real_film_looks_like_itself(name, data_folder):
    film = read_film(data_folder.parent / "cine" / f"{name}.npz", n_frames=3)
    scan = LinacScan(
        LINAC_PATIENTS["liver-sagittal"].played_by("cartesian", n_frames=1),
        bent_cine(film, motion=Still()),
        n_coils=2,
    )
    image, y_mm, x_mm = direct_image(scan, 0, step_mm=2.0)
    rows = np.interp(y_mm, film.places_mm(0), np.arange(film.frames.shape[1])).round().astype(int)
    columns = (
        np.interp(x_mm, film.places_mm(1), np.arange(film.frames.shape[2])).round().astype(int)
    )
    own = film.frames[0][np.ix_(rows, columns)]
    assert np.corrcoef(image.ravel(), own.ravel())[0, 1] > 0.9
