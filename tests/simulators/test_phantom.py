import numpy as np

from simulators.coils import head_coils
from simulators.phantom import HEAD, Ellipse, image, kspace


def grid_dft(values, x_mm, y_mm, fx, fy):
    step = (x_mm[1] - x_mm[0]) * (y_mm[1] - y_mm[0])
    along_y = np.exp(-2j * np.pi * np.outer(fy, y_mm))
    along_x = np.exp(-2j * np.pi * np.outer(x_mm, fx))
    return along_y @ values @ along_x * step


FX, FY = np.arange(-5, 6) / 240, np.arange(-4, 5) / 180
X, Y = np.arange(-100, 100, 0.2) + 0.07, np.arange(-110, 110, 0.2) + 0.11


def test_kspace_centre_is_the_area():
    value = kspace([Ellipse(2j, (3, 4), (5, 7), 30)], np.zeros(1), np.zeros(1))
    assert abs(value[0, 0] - 2j * np.pi * 35) < 1e-6


def test_kspace_agrees_with_a_fine_sum_over_the_image():
    exact = kspace(HEAD, FX, FY)
    summed = grid_dft(image(HEAD, X[None, :], Y[:, None]), X, Y, FX, FY)
    # the head has 5e4 mm²; a 0.2 mm grid misplaces edges by a hundred parts in a million of it
    assert np.abs(exact - summed).max() < 3.0


def test_coil_kspace_agrees_with_a_fine_sum_over_coil_times_image():
    coils = head_coils(3)
    exact = coils.kspace(lambda fx, fy: kspace(HEAD, fx, fy), FX, FY)
    seen = coils.sensitivity(X[None, :], Y[:, None]) * image(HEAD, X[None, :], Y[:, None])
    summed = np.stack([grid_dft(one, X, Y, FX, FY) for one in seen])
    assert np.abs(exact - summed).max() < 3.0


def test_each_coil_sees_its_own_side_with_its_own_phase():
    coils = head_coils(8)
    angles = 2 * np.pi * (np.arange(8) + 0.3) / 8
    near = coils.sensitivity(60 * np.cos(angles), 60 * np.sin(angles))
    assert (np.abs(near).argmax(axis=0) == np.arange(8)).all()
    ratio = np.abs(near[0, 0]) / np.abs(near[0, 4])
    assert 4 < ratio < 60  # a loop of 75 mm radius, 65 and 185 mm away: (1+.75)^1.5 and (1+6.1)^1.5
    assert np.ptp(np.angle(coils.sensitivity(np.zeros(1), np.zeros(1)))) > 1


def test_one_coil_alone_is_uniform():
    values = head_coils(1).sensitivity(np.linspace(-80, 80, 9), np.zeros(9))
    assert np.allclose(values, values[0, 0])
    assert np.isclose(abs(values[0, 0]), 1)
