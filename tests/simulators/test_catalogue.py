"""What holds for every sequence: the header tells the truth about the readouts."""

import ismrmrd
import numpy as np
import pytest
from ismrmrd.xsd import CreateFromDocument

from simulators.ellipsoids import HEAD_3D
from simulators.mrd import (
    LAST_IN_MEASUREMENT,
    LAST_IN_SLICE,
    NOISE_MEASUREMENT,
    PHASE_CORRECTION,
    REVERSE,
    acquisition_head,
    acquisition_samples,
    acquisition_trajectory,
)
from simulators.patient import Patient
from simulators.physiology import Physiology
from simulators.recording import write_hdf5
from simulators.scan import Scan
from simulators.sequences import CATALOGUE, Cartesian
from simulators.waveforms import is_waveform

SMALL = {
    "3d": {"matrix": (16, 16), "partitions": 6},
    "spiral": {"matrix": (32, 32), "n_arms": 4},
}


def small_scan(name, **how):
    chosen = SMALL.get(name, {"matrix": (32, 32)})
    return Scan(CATALOGUE[name](n_frames=2, **chosen), n_coils=2, **how)


@pytest.fixture(scope="module", params=sorted(CATALOGUE))
def scan(request):
    return small_scan(request.param, snr=40.0, n_noise_readouts=2)


@pytest.fixture(scope="module")
def heads(scan):
    return [acquisition_head(message) for message in scan.messages()]


def test_counters_stay_within_the_limits_and_reach_them(scan, heads):
    limits = CreateFromDocument(scan.header_xml()).encoding[0].encodingLimits
    played = [head["idx"] for head in heads if not int(head["flags"]) & NOISE_MEASUREMENT]
    names = {"kspace_encode_step_1": "kspace_encoding_step_1"}
    names |= {"kspace_encode_step_2": "kspace_encoding_step_2"}
    names |= {name: name for name in ("slice", "contrast", "repetition", "set")}
    for name, limit_name in names.items():
        limit, found = getattr(limits, limit_name), [int(idx[name]) for idx in played]
        assert limit.minimum <= min(found), name
        # undersampling may leave the last line out
        skipped = getattr(scan.sequence, "acceleration", 1) - 1 if name[-1] == "1" else 0
        assert limit.maximum - skipped <= max(found) <= limit.maximum, name


def test_time_and_counter_only_go_on(scan, heads):
    counters = [int(head["scan_counter"]) for head in heads]
    assert counters == list(range(1, len(heads) + 1))
    times = [readout.t_s for readout in scan.readouts()]
    assert times == sorted(times)
    assert all(readout.t_s >= 0 for readout in scan.readouts() if readout.frame >= 0)


def test_a_slice_ends_once_a_frame(scan, heads):
    ends = [head["idx"] for head in heads if int(head["flags"]) & LAST_IN_SLICE]
    keys = [tuple(int(i[n]) for n in ("repetition", "slice", "contrast", "set")) for i in ends]
    n_slices, n_contrasts = len(scan.sequence.slices_z_mm), len(scan.sequence.echo_times_s)
    assert len(set(keys)) == len(keys) == 2 * n_slices * n_contrasts
    assert [i for i, head in enumerate(heads) if int(head["flags"]) & LAST_IN_MEASUREMENT] == [
        len(heads) - 1
    ]
    assert sum(readout.is_last_of_frame for readout in scan.readouts()) == 2


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - {"radial", "spiral"}))
def test_lines_lie_where_their_counters_say(name):
    sequence = small_scan(name).sequence
    center = sequence.limits()["kspace_encoding_step_1"][2]
    for each in sequence.readouts():
        is_navigator = each.flags & PHASE_CORRECTION
        step = 0 if is_navigator else each.counter("kspace_encode_step_1") - center
        assert each.k_per_mm[:, 1] == pytest.approx(step / sequence.fov_mm[1])
        nearest = np.abs(each.k_per_mm[:, 0]).argmin()
        assert abs(nearest - each.center_sample) <= 1  # k = 0 lies between two samples in EPI


def test_recording_is_read_by_the_ismrmrd_package(scan, tmp_path):
    messages = list(scan.messages())
    write_hdf5(tmp_path / "scan.h5", scan.header_xml(), messages)
    with ismrmrd.File(tmp_path / "scan.h5", "r") as file:
        found = file["dataset"].acquisitions[:]
    assert len(found) == len(messages)
    for index in (0, len(messages) // 2, len(messages) - 1):
        assert np.array_equal(found[index].data, acquisition_samples(messages[index]))
        assert np.array_equal(found[index].traj, acquisition_trajectory(messages[index]))


def test_waveforms_come_between_the_readouts_and_into_the_file(tmp_path):
    scan = small_scan("radial", physiology=Physiology())
    messages = list(scan.messages())
    kinds = [is_waveform(message) for message in messages]
    assert not kinds[0]
    assert 0 < kinds.index(True) < len(kinds) - 2
    write_hdf5(tmp_path / "scan.h5", scan.header_xml(), messages)
    dataset = ismrmrd.Dataset(str(tmp_path / "scan.h5"), create_if_needed=False)
    assert dataset.number_of_waveforms() == sum(kinds)
    ecg, breath = dataset.read_waveform(0), dataset.read_waveform(1)
    dataset.close()
    assert (ecg.waveform_id, ecg.data.shape) == (0, (2, 40))
    assert (breath.waveform_id, breath.data.shape) == (2, (2, 10))
    header = CreateFromDocument(scan.header_xml())
    assert [each.waveformType.value for each in header.waveformInformation] == [
        "ecg",
        "respiratory",
    ]


def test_slices_lie_apart_and_show_their_own_cut():
    scan = small_scan("multi-slice")
    found = [acquisition_head(message) for message in scan.messages()]
    assert [int(head["idx"]["slice"]) for head in found[:6]] == [0, 1, 2, 0, 1, 2]
    assert [float(head["position"][2]) for head in found[:3]] == [33, 43, 53]
    high = Scan(
        Cartesian(matrix=(32, 32), slices_z_mm=(0.0, 80.0), repetition_time_s=0.03), n_coils=1
    )
    areas = [np.abs(high.truth(*grid(high), slice_index=index)).sum() for index in (0, 1)]
    assert areas[1] < 0.3 * areas[0]


def test_echoes_decay_and_every_second_runs_backwards():
    sequence = Cartesian(
        matrix=(32, 32), echo_times_s=(0.004, 0.008, 0.012), is_bipolar=True, n_frames=1
    )
    scan = Scan(sequence, patient=Patient(t2_star_s=0.02), n_coils=1)
    lines = list(scan.messages())[48:51]
    found = [acquisition_head(message) for message in lines]
    assert [int(head["idx"]["contrast"]) for head in found] == [0, 1, 2]
    assert [bool(int(head["flags"]) & REVERSE) for head in found] == [False, True, False]
    first, second, third = (acquisition_samples(message)[0] for message in lines)
    decay = np.exp(-0.004 / 0.02)
    assert np.allclose(third, first * decay**2, rtol=1e-4, atol=1e-4)
    # k = 0 is at centre_sample in the order of time, so a flip puts it one sample earlier
    assert np.allclose(second[1:][::-1], decay * first[1:], rtol=1e-4, atol=1e-4)


def test_volume_is_the_inverse_fft_of_its_partitions():
    scan = Scan(Cartesian(matrix=(32, 32), partitions=24, n_frames=1, oversampling=1), n_coils=1)
    kspace = np.zeros((24, 32, 32), np.complex64)
    for message in scan.messages():
        idx = acquisition_head(message)["idx"]
        at = int(idx["kspace_encode_step_2"]), int(idx["kspace_encode_step_1"])
        kspace[at] = acquisition_samples(message)[0]
    volume = np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(kspace)))
    for partition, z_mm in ((12, 0.0), (16, 32.0)):
        assert scan.sequence.partitions_mm[partition] == z_mm
        truth = scan.truth(*grid(scan), z_mm)
        # 7.5 mm pixels: the white matter's plateau is right, its edges ring
        inside = np.abs(truth - (0.70 + 0.03j)) < 1e-9
        assert inside.sum() > 50
        assert np.median(np.abs(volume[partition] - truth)[inside]) < 0.06


def test_a_volume_needs_solids():
    with pytest.raises(ValueError, match="ellipsoids"):
        Scan(Cartesian(partitions=4), patient=Patient(bodies=Scan(Cartesian()).slices[0]))
    assert len(HEAD_3D) == 16


def grid(scan):
    return scan.sequence.columns_mm[None, :], scan.sequence.rows_mm[:, None]
