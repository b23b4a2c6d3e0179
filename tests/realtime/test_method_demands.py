"""Combinations that cannot work are refused with a sentence, before a frame is acquired."""

from dataclasses import replace

import pytest

from messages import HeaderError, Pose, ProtocolError
from realtime import pipeline
from realtime.admission import rehearse
from realtime.protocol import parse_protocol
from tests.methods import N_COILS, PROTOCOL, N, build, header_for


def protocol(method, more="", *, n_baseline=4, recon="fft", old="", new=""):
    text = PROTOCOL.format(method=method, n_baseline=n_baseline, more=more)
    return parse_protocol(text.replace('method = "fft"', f'method = "{recon}"').replace(old, new))


@pytest.mark.parametrize(
    ("key", "settings"),
    [
        ("thermometry.baseline_frames", {"method": "kspace-hybrid", "n_baseline": 65}),
        ("thermometry.baseline_frames", {"method": "pca", "n_baseline": 65}),
        ("thermometry.pca_components", {"method": "pca", "n_baseline": 3}),
        ("thermometry.t1_change_percent_per_c", {"method": "t1"}),
        ("recon.method", {"method": "kspace-hybrid", "recon": "sense"}),
        ("recon.method", {"method": "kspace-hybrid", "recon": "grappa"}),
        ("thermometry.dose_integration", {"method": "pca", "more": "dose_integration = 'model'"}),
    ],
)
def test_a_protocol_that_cannot_work_is_refused_by_its_key(key, settings):
    with pytest.raises(ProtocolError) as refused:
        protocol(**settings)
    assert str(refused.value).startswith(f"protocol {key}: ")
    assert "expected" in str(refused.value) or "needs" in str(refused.value)
    assert "\n" not in str(refused.value)


KEYS = {
    "alpha_std_ppm_per_c": (-1e-9, 0.0051), "pca_components": (0, 11),
    "polynomial_order": (-1, 9), "sparsity": (-0.1, 100.1),
    "t1_change_percent_per_c": (-0.1, 10.1), "t1_change_std_percent_per_c": (-0.1, 10.1),
    "arfi_gradient_mt_per_m": (0.0, 1001.0), "arfi_encoding_ms": (0.0, 101.0),
    "off_resonance_shift": (2, "yes"), "heat_model": (2, "yes"), "tissue": (2, "wood"),
    "library_choice": (2, "nearest"), "dose_integration": (2, "simpson"),
    "arrhenius": (2, "brain"),
}  # fmt: skip


@pytest.mark.parametrize("key", KEYS)
def test_each_key_out_of_range_or_of_the_wrong_type_is_one_sentence_with_its_path(key):
    for value in (*map(repr, KEYS[key]), "nan", "inf", "[1]", "{}"):
        with pytest.raises(ProtocolError) as refused:
            protocol("single-baseline", f"{key} = {value}")
        text = str(refused.value)
        assert text.startswith(f"protocol thermometry.{key}"), text
        assert "\n" not in text
        assert len(text) < 300


def opened(method, *, more="", n_baseline=4, recon="fft", **header):
    encoding = header.pop("encoding", {})
    told = header_for(method)
    told = replace(told, encodings=(replace(told.encodings[0], **encoding),), **header)
    one = protocol(method, more, n_baseline=n_baseline, recon=recon)
    n_samples = told.encodings[0].encoded_matrix[0]
    built = pipeline.build(
        one, told, n_coils=N_COILS, n_samples=n_samples, noise=None, imaging_sample_time_us=5.0
    )
    return pipeline.open_slice(built, Pose())


@pytest.mark.parametrize("method", ["near-harmonic", "referenceless", "referenceless-l1"])
def test_a_polynomial_of_more_terms_than_pixels_is_refused(method):
    ring = "[[region]]\nname = 'rim'\nrole = 'reference'\nshape = 'ellipse'\n"
    ring += "center_px = [16, 26]\nradii_px = [2, 2]\n"
    with pytest.raises(ProtocolError, match=r"thermometry.polynomial_order: is 8, whose 45 terms"):
        opened(method, more=f"polynomial_order = 8\n{ring}")
    opened(method, more=f"polynomial_order = 1\n{ring}")


@pytest.mark.parametrize("method", ["hybrid", "kspace-hybrid", "multi-baseline", "pca"])
def test_libraries_of_many_large_slices_are_refused_before_they_fill_the_memory(method):
    large = {"encoded_matrix": (512, 512, 1), "recon_matrix": (512, 512, 1), "n_slices": 24}
    with pytest.raises(ProtocolError, match=r"thermometry.baseline_frames: is 60: .* 24 slices"):
        opened(method, n_baseline=60, encoding=large)
    opened(method, n_baseline=60)


@pytest.mark.parametrize("n_contrasts", [1, 2])
def test_water_and_fat_need_three_echoes(n_contrasts):
    with pytest.raises(HeaderError, match="water-fat needs 3 or more"):
        opened("water-fat", encoding={"n_contrasts": n_contrasts})


def test_t1_needs_two_flip_angles():
    with pytest.raises(ValueError, match="t1 needs two or more flip angles"):
        opened("t1", more="t1_change_percent_per_c = 1.0", flip_angles_deg=(4.0,))


def test_fewer_echo_times_than_echoes_are_refused():
    with pytest.raises(HeaderError, match=r"sequenceParameters.TE: gives 14, 18 ms, multi-echo"):
        opened("multi-echo", echo_times_s=(0.014, 0.018))


def test_auto_leaves_the_lines_out_for_the_method_that_fits_them():
    text = PROTOCOL.format(method="kspace-hybrid", n_baseline=4, more="")
    auto = parse_protocol(text.replace('method = "fft"', 'method = "auto"'))
    header = header_for("kspace-hybrid")
    built = pipeline.build(auto, header, n_coils=N_COILS, n_samples=N, noise=None)
    assert type(built.reconstructor) is type(build("kspace-hybrid").reconstructor)
    assert rehearse(built, Pose(), clock=Still())["total"] == 0


class Still:
    """A clock that stands."""

    def now_ns(self):
        return 0
