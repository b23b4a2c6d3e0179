"""A protocol is read strictly, and every refusal names the key."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import thermometry
from messages import ProtocolError
from realtime.protocol import load_protocol, parse_protocol, shipped_protocols

GOOD = """
[protocol]
name = "bench"
therapy = "mrgfus"
frame_deadline_ms = 100
lease_ms = 4500.0

[recon]
method = "fft"

[thermometry]
method = "single-baseline"
baseline_frames = 5
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = 1

[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [64.0, 70.0]
radii_px = [4.0, 4.0]

[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 60.0
warn_above_c = 57.0
"""

# The example of the design document, its fixed keys as they stand there.
DESIGN = """
[protocol]
name = "mrgfus-brain"
therapy = "mrgfus"
frame_deadline_ms = 100
lease_ms = 4500
[stream]
time_stamp_unit = "auto"
[recon]
method = "fft"
[thermometry]
method = "single-baseline"
baseline_frames = 5
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = 1
[motion]
tracker = "ncc-affine"
predictor = "rls"
latency_ms = 250
gate_margin_mm = 3.0
max_outside_percent = 5.0
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [64.0, 70.0]
radii_px = [4.0, 4.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 60.0
"""


def changed(old, new):
    assert GOOD.count(old) >= 1, old
    return GOOD.replace(old, new, 1)


def test_the_designs_example_loads():
    protocol = parse_protocol(DESIGN)
    assert protocol.thermometry.alpha_ppm_per_c == -0.0094
    assert protocol.motion.latency_ms == 250.0
    assert protocol.limit[0].stop_above_c == 60.0


@pytest.mark.parametrize("name", shipped_protocols())
def test_each_shipped_protocol_loads_under_its_own_name(name):
    protocol = load_protocol(name)
    assert protocol.protocol.name == name
    assert protocol.folder.name == "protocols"


def test_these_protocols_are_shipped():
    treated = ("arfi", "brain", "breast", "demo", "liver", "phantom")
    moving = ("demo", "liver", "lung", "prostate")
    expected = (*(f"mrgfus-{one}" for one in treated), *(f"mrlinac-{one}" for one in moving))
    assert shipped_protocols() == ("imaging", *expected)


@pytest.mark.parametrize("name", shipped_protocols())
def test_each_number_of_a_shipped_protocol_stands_beside_its_reason(name):
    for line in load_protocol(name).text.splitlines():
        if re.match(r"\w+ = [-\[0-9.]", line):
            assert " # " in line, line


REFUSED = {
    "unknown key": (changed("[recon]", "[recon]\nflavour = 1"), "recon.flavour"),
    "unknown section": (GOOD + "\n[extra]\nx = 1\n", "extra"),
    "unknown key of a limit": (GOOD + "stop_above_k = 1.0\n", "limit[0].stop_above_k"),
    "unknown key of a region": (
        changed('role = "target"', 'role = "target"\ncolour = "red"'),
        "region[0].colour",
    ),
    "text for a number": (changed("= 60.0", '= "hot"'), "limit[0].stop_above_c"),
    "a boolean for a number": (changed("= 60.0", "= true"), "limit[0].stop_above_c"),
    "a fraction of a frame": (changed("frames = 5", "frames = 5.5"), "thermometry.baseline_frames"),
    "lower limit above upper": (changed("= 57.0", "= 61.0"), "limit[0].warn_above_c"),
    "NaN": (changed("= 60.0", "= nan"), "limit[0].stop_above_c"),
    "infinity in a list": (changed("[64.0, 70.0]", "[64.0, inf]"), "region[0].center_px[1]"),
    "out of range": (changed("drift_order = 1", "drift_order = 3"), "thermometry.drift_order"),
    "alpha with the wrong sign": (changed("-0.0094", "0.0094"), "thermometry.alpha_ppm_per_c"),
    "phase sign of two": (changed("phase_sign = 1", "phase_sign = 2"), "thermometry.phase_sign"),
    "lease shorter than deadline": (changed("4500.0", "100.0"), "protocol.lease_ms"),
    "no deadline": (changed("frame_deadline_ms = 100\n", ""), "protocol.frame_deadline_ms"),
    "a deadline in seconds": (
        changed("frame_deadline_ms = 100", "frame_deadline_s = 0.1"),
        "protocol.frame_deadline_s",
    ),
    "a gate without a window": (
        DESIGN.replace("gate_margin_mm = 3.0", "gate_margin_mm = 0.0"),
        "motion.gate_margin_mm",
    ),
    "zero deadline": (changed("_ms = 100\n", "_ms = 0\n"), "protocol.frame_deadline_ms"),
    "unknown region": (changed('region = "focus"', 'region = "nerve"'), "limit[0].region"),
    "unknown rule": (changed('"temperature-max"', '"temp-max"'), "limit[0].rule"),
    "a rule that is always on": (changed('"temperature-max"', '"late-frame"'), "limit[0].rule"),
    "no rule": (changed('rule = "temperature-max"\n', ""), "limit[0].rule"),
    "unknown role": (changed('"target"', '"aim"'), "region[0].role"),
    "unknown method": (changed('"fft"', '"fttf"'), "recon.method"),
    "unknown thermometry": (changed('"single-baseline"', '"magic"'), "thermometry.method"),
    "unknown tissue": (
        changed("drift_order = 1", 'drift_order = 1\ntissue = "steel"'),
        "thermometry.tissue",
    ),
    "unknown therapy": (changed('"mrgfus"', '"xray"'), "protocol.therapy"),
    "missing section": (changed('[recon]\nmethod = "fft"\n', ""), "recon"),
    "mrgfus without thermometry": (
        re.sub(r"\[thermometry\](.|\n)*?\[\[region", "[[region", GOOD),
        "thermometry",
    ),
    "mrgfus without target": (changed('"target"', '"body"'), "region"),
    "mrgfus without temperature-max": (GOOD[: GOOD.index("[[limit")], "limit"),
    "stop below body temperature": (
        changed("= 60.0\nwarn_above_c = 57.0", "= 36.0"),
        "limit[0].stop_above_c",
    ),
    "the same region twice": (
        GOOD + GOOD[GOOD.index("[[region") : GOOD.index("[[limit")],
        "region[1].name",
    ),
    "the same rule twice": (GOOD + GOOD[GOOD.index("[[limit") :], "limit[1]"),
    "two centres": (
        changed("radii_px", "center_mm = [0.0, 0.0, 0.0]\nradii_px"),
        "region[0].center_mm",
    ),
    "no radii": (changed("radii_px = [4.0, 4.0]\n", ""), "region[0].radii_px"),
    "a radius of zero": (changed("[4.0, 4.0]", "[4.0, 0.0]"), "region[0].radii_px[1]"),
    "no shape": (changed('shape = "ellipse"\n', ""), "region[0].shape"),
    "half a heating expectation": (
        GOOD + '[[limit]]\nrule = "heating-response"\nregion = "focus"\nwithin_s = 3.0\n',
        "limit[1].expect_rise_c",
    ),
    "mrlinac without motion": (changed('"mrgfus"', '"mrlinac"'), "motion"),
    "a tracked region that nothing follows": (
        changed('role = "target"', 'role = "tracked"'),
        "region[0].role",
    ),
    "imaging with thermometry": (changed('"mrgfus"', '"imaging"'), "thermometry"),
    "a region name with a line break": (changed('"focus"', '"fo\\ncus"'), "region[0].name"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_names_the_key(what):
    text, key = REFUSED[what]
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text)
    assert caught.value.key == key, str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_toml_error_names_the_line():
    with pytest.raises(ProtocolError, match=r"line 3\b"):
        parse_protocol("[protocol]\nname = 'x'\nlease_ms = = 5\n")


def test_an_unknown_rule_lists_the_known_ones():
    with pytest.raises(ProtocolError, match="temperature-max, dose-reached, dose-limit"):
        parse_protocol(changed('"temperature-max"', '"temp-max"'))


def test_an_unknown_name_lists_the_shipped_protocols():
    with pytest.raises(ProtocolError, match="imaging, mrgfus-arfi, mrgfus-brain"):
        load_protocol("mrgfus-brian")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"#" * ((1 << 20) + 1)], ids=["latin", "long"])
def test_an_unreadable_file_is_refused_by_name(tmp_path, content):
    (tmp_path / "p.toml").write_bytes(content)
    with pytest.raises(ProtocolError, match=r"protocol p\.toml"):
        load_protocol(tmp_path / "p.toml")


def test_a_folder_is_no_protocol(tmp_path):
    with pytest.raises(ProtocolError):
        load_protocol(tmp_path)


def test_the_hash_is_blind_to_layout_and_sees_each_number():
    reference = parse_protocol(GOOD).hash
    assert re.fullmatch("[0-9a-f]{16}", reference)
    assert parse_protocol("# a comment\n" + GOOD.replace(" = ", "   =  ")).hash == reference
    swapped = changed(
        "phase_sign = 1\nbody_temperature_c = 37.0", "body_temperature_c = 37.0\nphase_sign = 1"
    )
    assert parse_protocol(swapped).hash == reference
    spelled = changed("[recon]", "[stream]\nstall_ms = 1000.0\n[recon]")
    assert parse_protocol(spelled).hash == reference, "a default spelled out is the same protocol"
    assert parse_protocol(changed("60.0", "60.5")).hash != reference


MASKED = GOOD.replace(
    'shape = "ellipse"\ncenter_px = [64.0, 70.0]\nradii_px = [4.0, 4.0]', 'mask = "f.npy"'
)


def test_the_hash_sees_the_mask_file(tmp_path):
    mask = np.zeros((8, 8), np.bool_)
    hashes = set()
    for column in (2, 3):
        mask[:, column] = True
        np.save(tmp_path / "f.npy", mask)
        hashes.add(parse_protocol(MASKED, folder=tmp_path).hash)
    assert len(hashes) == 2


@pytest.mark.parametrize(
    "name", ["../f.npy", "/etc/f.npy", "none.npy", "text.npy", "f.nii", "link.npy"]
)
def test_a_mask_file_stays_in_the_folder_and_is_a_mask(tmp_path, name):
    folder = tmp_path / "in"
    folder.mkdir()
    np.save(tmp_path / "f.npy", np.ones((4, 4), np.bool_))
    (folder / "text.npy").write_text("no array")
    (folder / "link.npy").symlink_to(tmp_path / "f.npy")
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(MASKED.replace("f.npy", name), folder=folder)
    assert caught.value.key == "region[0].mask"


@pytest.mark.parametrize(
    "array", [np.ones((4, 4), np.float32), np.array(None), np.ones(4, np.bool_)]
)
def test_a_mask_file_of_numbers_or_objects_is_refused(tmp_path, array):
    np.save(tmp_path / "f.npy", array)
    with pytest.raises(ProtocolError):
        parse_protocol(MASKED, folder=tmp_path)


def test_a_protocol_without_a_folder_has_no_mask_files():
    with pytest.raises(ProtocolError, match="lies in a folder"):
        parse_protocol(MASKED)


def test_a_protocol_file_brings_its_folder(tmp_path):
    Path(tmp_path / "p.toml").write_text(GOOD)
    protocol = load_protocol(str(tmp_path / "p.toml"))
    assert protocol.folder == tmp_path.resolve()
    assert protocol.text == GOOD


@pytest.mark.parametrize(
    "value",
    ["1" + "0" * 400, "-" + "9" * 30, "1979-05-27", "[1.0]", "{a = 1}", "''", "1e400"],
)
def test_an_odd_value_is_refused_by_its_key(value):
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(changed("= 60.0", f"= {value}"))
    assert caught.value.key == "limit[0].stop_above_c"


@pytest.mark.parametrize("value", ["[" * 100_000, "9" * 5000], ids=["deep", "long"])
def test_what_the_toml_reader_itself_chokes_on_is_refused(value):
    with pytest.raises(ProtocolError, match="not TOML"):
        parse_protocol("a = " + value)


@given(st.data())
def test_a_damaged_protocol_is_refused_in_one_line_or_read(data):
    lines = GOOD.splitlines()
    index = data.draw(st.integers(0, len(lines) - 1))
    how = data.draw(st.sampled_from(["drop", "double", "swap", "cut", "other value"]))
    if how == "drop":
        del lines[index]
    elif how == "double":
        lines.insert(index, lines[index])
    elif how == "swap":
        other = data.draw(st.integers(0, len(lines) - 1))
        lines[index], lines[other] = lines[other], lines[index]
    elif how == "cut":
        lines[index] = lines[index][: data.draw(st.integers(0, 20))]
    else:
        value = data.draw(st.sampled_from(["-1", "0", "true", "[]", "{}", "1e99", '"x"', "nan"]))
        lines[index] = lines[index].split("=")[0] + "= " + value
    refusal = None
    try:
        parse_protocol("\n".join(lines))
    except ProtocolError as error:
        refusal = error
    assert refusal is None or (refusal.key and "\n" not in str(refusal))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-0.0094", "0.01", "is 0.01, expected at least -0.02 and less than 0"),
        ("stop_above_c = 60.0", "stop_above_c = 400.0", "is 400, expected -20 to 150"),
        ("radii_px = [4.0", "radii_px = [0.0", "is 0, expected more than 0 and at most 10000"),
        ("frame_deadline_ms = ", "frame_deadline_ms = 1e6#", "is 1e+06, expected more than 0"),
    ],
)
def test_a_number_out_of_range_is_told_with_its_whole_range(old, new, said):
    with pytest.raises(ProtocolError) as error:
        parse_protocol(changed(old, new))
    assert said in str(error.value)


@pytest.mark.parametrize("method", sorted(thermometry.KEEPS_LIBRARY))
def test_a_library_larger_than_a_frame_can_learn_is_refused(method):
    large = GOOD.replace("single-baseline", method).replace("frames = 5", "frames = 65")
    with pytest.raises(ProtocolError, match="is 65, expected at most 64 for") as refused:
        parse_protocol(large)
    assert refused.value.key == "thermometry.baseline_frames"
    parse_protocol(large.replace("frames = 65", "frames = 64"))


def test_every_method_with_a_library_is_a_method():
    assert set(thermometry.METHODS) > thermometry.KEEPS_LIBRARY
