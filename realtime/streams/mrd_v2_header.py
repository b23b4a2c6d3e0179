"""An MRD version 2 header as the XML of version 1: what reconstruction and thermometry read of it.

Names of patients and studies stay behind.
"""

from typing import Any
from xml.etree import ElementTree

_LIMITS = (
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
)
_SYSTEM = {
    "systemVendor": "system_vendor",
    "systemFieldStrength_T": "system_field_strength_t",
    "relativeReceiverNoiseBandwidth": "relative_receiver_noise_bandwidth",
    "receiverChannels": "receiver_channels",
}
_SEQUENCE = {
    "TR": "t_r",
    "TE": "t_e",
    "TI": "t_i",
    "flipAngle_deg": "flip_angle_deg",
    "echo_spacing": "echo_spacing",
}
_PARAMETERS = {
    "userParameterLong": "user_parameter_long",
    "userParameterDouble": "user_parameter_double",
    "userParameterString": "user_parameter_string",
}


def header_as_xml(header: Any) -> bytes:  # noqa: ANN401  # a class of the optional package mrd
    """Return the XML of an `mrd.Header`."""
    root = ElementTree.Element("ismrmrdHeader", xmlns="http://www.ismrm.org/ISMRMRD")
    system = header.acquisition_system_information
    if system is not None:
        element = ElementTree.SubElement(root, "acquisitionSystemInformation")
        for name, field in _SYSTEM.items():
            _add(element, name, getattr(system, field))
    conditions = ElementTree.SubElement(root, "experimentalConditions")
    _add(
        conditions,
        "H1resonanceFrequency_Hz",
        header.experimental_conditions.h1resonance_frequency_hz,
    )
    for encoding in header.encoding:
        _encoding(ElementTree.SubElement(root, "encoding"), encoding)
    sequence = header.sequence_parameters
    if sequence is not None:
        element = ElementTree.SubElement(root, "sequenceParameters")
        for name, field in _SEQUENCE.items():
            for value in getattr(sequence, field):
                _add(element, name, value)
    if header.user_parameters is not None:
        _parameters(ElementTree.SubElement(root, "userParameters"), header.user_parameters)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _encoding(element: ElementTree.Element, encoding: Any) -> None:  # noqa: ANN401
    for name, space in (
        ("encodedSpace", encoding.encoded_space),
        ("reconSpace", encoding.recon_space),
    ):
        target = ElementTree.SubElement(element, name)
        for part, size in (
            ("matrixSize", space.matrix_size),
            ("fieldOfView_mm", space.field_of_view_mm),
        ):
            axes = ElementTree.SubElement(target, part)
            for axis in "xyz":
                _add(axes, axis, getattr(size, axis))
    limits = ElementTree.SubElement(element, "encodingLimits")
    for name in _LIMITS:
        limit = getattr(encoding.encoding_limits, name)
        if limit is not None:
            target = ElementTree.SubElement(limits, name)
            for bound in ("minimum", "maximum", "center"):
                _add(target, bound, getattr(limit, bound))
    _add(element, "trajectory", encoding.trajectory.name.lower())
    description = encoding.trajectory_description
    if description is not None:
        target = ElementTree.SubElement(element, "trajectoryDescription")
        _add(target, "identifier", description.identifier)
        _parameters(target, description)
    _parallel(element, encoding.parallel_imaging)
    _add(element, "echoTrainLength", encoding.echo_train_length)


def _parallel(element: ElementTree.Element, parallel: Any) -> None:  # noqa: ANN401
    if parallel is None:
        return
    target = ElementTree.SubElement(element, "parallelImaging")
    factor = ElementTree.SubElement(target, "accelerationFactor")
    for name in ("kspace_encoding_step_1", "kspace_encoding_step_2"):
        _add(factor, name, getattr(parallel.acceleration_factor, name))
    if parallel.calibration_mode is not None:
        _add(target, "calibrationMode", parallel.calibration_mode.name.lower())


def _parameters(element: ElementTree.Element, source: Any) -> None:  # noqa: ANN401
    for kind, field in _PARAMETERS.items():
        for parameter in getattr(source, field):
            target = ElementTree.SubElement(element, kind)
            _add(target, "name", parameter.name)
            _add(target, "value", parameter.value)


def _add(element: ElementTree.Element, name: str, value: object) -> None:
    if value is not None:
        ElementTree.SubElement(element, name).text = str(value)
