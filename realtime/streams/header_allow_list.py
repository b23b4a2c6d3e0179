"""The part of an MRD header that tells nothing of a person, a place or a day.

An allow-list: an element that is not named here is dropped, and so is one whose text is not of the
kind named here. What is kept is all that reconstruction and thermometry read.
"""

import re
from dataclasses import replace
from xml.etree import ElementTree

from messages import MonitorError
from realtime.streams.header_xml import Element, parse_root
from realtime.streams.mrd_header import parse_header

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_MAX_DIGITS = 40

_Words = frozenset[str]
# a tree of names; a leaf is None for a number, or the words that it may be
_Allowed = dict[str, "_Allowed | _Words | None"]

_AXES: _Allowed = {"x": None, "y": None, "z": None}
_SPACE: _Allowed = {"matrixSize": _AXES, "fieldOfView_mm": _AXES}
_LIMIT: _Allowed = {"minimum": None, "maximum": None, "center": None}
_STEPS: _Allowed = {"kspace_encoding_step_1": None, "kspace_encoding_step_2": None}
_GRADIENT_NAMES = frozenset(
    [
        "etl",
        "numberOfNavigators",
        "rampUpTime",
        "rampDownTime",
        "flatTopTime",
        "acqDelayTime",
        "numSamples",
        "echoSpacing",
        "dwellTime",
        "interleaves",
        "fov_coefficients",
        "SamplingTime_ns",
        "MaxGradient_G_per_cm",
        "MaxSlewRate_G_per_cm_per_s",
        "FOVCoeff_1_cm",
        "krmax_per_cm",
    ]
)
_REFERENCE_NAMES = frozenset({"EmbeddedRefLinesE1", "EmbeddedRefLinesE2"})
_DIMENSIONS = frozenset({"phase", "repetition", "contrast", "average", "other"})
_WAVEFORMS = frozenset({"ecg", "pulse", "respiratory", "trigger", "gradientwaveform", "other"})


def _parameter(names: _Words) -> _Allowed:
    return {"name": names, "value": None}


_ENCODING: _Allowed = {
    "encodedSpace": _SPACE,
    "reconSpace": _SPACE,
    "encodingLimits": dict.fromkeys(
        [
            "kspace_encoding_step_0",
            "kspace_encoding_step_1",
            "kspace_encoding_step_2",
            "average",
            "slice",
            "contrast",
            "phase",
            "repetition",
            "set",
            "segment",
        ],
        _LIMIT,
    ),
    "trajectory": frozenset({"cartesian", "epi", "radial", "goldenangle", "spiral", "other"}),
    "trajectoryDescription": {
        "identifier": frozenset({"ConventionalEPI", "HargreavesVDS2000", "other"}),
        "userParameterLong": _parameter(_GRADIENT_NAMES),
        "userParameterDouble": _parameter(_GRADIENT_NAMES),
    },
    "parallelImaging": {
        "accelerationFactor": _STEPS,
        "calibrationMode": frozenset({"embedded", "interleaved", "separate", "external", "other"}),
        "interleavingDimension": _DIMENSIONS,
    },
    "echoTrainLength": None,
}
_HEADER: _Allowed = {
    "measurementInformation": {
        "patientPosition": frozenset({"HFP", "HFS", "HFDR", "HFDL", "FFP", "FFS", "FFDR", "FFDL"}),
        "relativeTablePosition": _AXES,
    },
    "acquisitionSystemInformation": {
        "systemVendor": frozenset({"SIEMENS", "GE", "PHILIPS", "CANON", "UNITED IMAGING"}),
        "systemFieldStrength_T": None,
        "relativeReceiverNoiseBandwidth": None,
        "receiverChannels": None,
    },
    "experimentalConditions": {"H1resonanceFrequency_Hz": None},
    "encoding": _ENCODING,
    "sequenceParameters": dict.fromkeys(("TR", "TE", "TI", "flipAngle_deg", "echo_spacing")),
    "userParameters": {"userParameterLong": _parameter(_REFERENCE_NAMES)},
    "waveformInformation": {"waveformType": _WAVEFORMS},
}


def deidentified_xml(xml: bytes) -> bytes:
    """Return a header with the allowed elements only; attributes and comments are dropped too.

    Raises MonitorError where what is left would be reconstructed otherwise, and HeaderError where
    the header cannot be read.
    """
    header = parse_header(xml)
    root = ElementTree.Element("ismrmrdHeader", xmlns="http://www.ismrm.org/ISMRMRD")
    _copy(parse_root(header.xml), root, _HEADER)
    kept: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    ours = parse_header(kept)
    is_siemens = "siemens" in header.system_vendor.lower()
    if (
        replace(ours, xml=b"", system_vendor="") != replace(header, xml=b"", system_vendor="")
        or ("siemens" in ours.system_vendor.lower()) != is_siemens
    ):
        raise MonitorError("the header needs elements that are not on the allow-list")
    return kept


def _copy(source: Element, target: Element, allowed: _Allowed) -> None:
    for element in source:
        if element.tag not in allowed:
            continue
        kind = allowed[element.tag]
        if isinstance(kind, dict):
            # a parameter whose name is not allowed goes with its value
            if "name" in kind and _leaf(element.find("name"), kind["name"]) == "":
                continue
            _copy(element, ElementTree.SubElement(target, element.tag), kind)
        elif text := _leaf(element, kind):
            ElementTree.SubElement(target, element.tag).text = text


def _leaf(element: Element | None, kind: "_Allowed | _Words | None") -> str:
    """Return what an element may say, empty where it says something else."""
    text = ((element.text if element is not None else "") or "").strip()
    if not isinstance(kind, frozenset):
        return text if len(text) <= _MAX_DIGITS and _NUMBER.fullmatch(text) else ""
    word = next((one for one in kind if one.lower() == text.lower()), "")
    if not word and "SIEMENS" in kind:
        word = next((one for one in kind if one.lower() in text.lower().split()), "")
    return word or ("other" if text and "other" in kind else "")
