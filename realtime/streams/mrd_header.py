"""The MRD session header: XML to `SessionHeader`, and what thermometry demands of it.

Own parsing, because the ismrmrd package's classes refuse headers that real scanners send and keep
"80.0" as a string. A header may still lie; see `SessionHeader`.
"""

import math
from xml.etree import ElementTree

from messages import Encoding, EncodingLimit, HeaderError, SessionHeader

MAX_XML_BYTES = 16 << 20
MAX_ELEMENTS = 10_000  # a 32-channel Siemens header has about 400; 20 ms to read
MAX_MATRIX = 65535  # MRD counts samples and lines in 16 bits
MAX_PIXELS = 1 << 28  # 2 GiB of complex64 for one coil
GAMMA_BAR_HZ_PER_T = 42.577478518e6  # CODATA 2018, proton gyromagnetic ratio / 2π
MAX_FIELD_DISAGREEMENT = 0.1  # nominal "3 T" beside 123.2 MHz differs by 4 %

_Element = ElementTree.Element


def parse_header(xml: bytes) -> SessionHeader:
    """Return what the monitor needs of an MRD header.

    Trailing NULs are removed, everything else is kept byte for byte. Raises HeaderError that names
    the field.
    """
    if len(xml) > MAX_XML_BYTES:
        raise HeaderError(f"{len(xml)} bytes, expected at most {MAX_XML_BYTES}", field="xml")
    raw = bytes(xml).rstrip(b"\0")
    root = _root(raw)
    encodings = tuple(
        _encoding(element, f"encoding[{index}]")
        for index, element in enumerate(root.findall("encoding"))
    )
    if not encodings:
        raise HeaderError("missing, expected at least one", field="encoding")
    sequence = _child(root, "sequenceParameters")
    system = _child(root, "acquisitionSystemInformation")
    system_path = "acquisitionSystemInformation"
    repetition_times_ms = _numbers(sequence, "TR", "sequenceParameters")
    echo_times_ms = _numbers(sequence, "TE", "sequenceParameters")
    channels = _optional(system, "receiverChannels", system_path)
    return SessionHeader(
        xml=raw,
        encodings=encodings,
        echo_times_s=tuple(value * 1e-3 for value in echo_times_ms),
        repetition_time_s=(repetition_times_ms[0] * 1e-3 or None) if repetition_times_ms else None,
        h1_frequency_hz=_optional(
            _child(root, "experimentalConditions"),
            "H1resonanceFrequency_Hz",
            "experimentalConditions",
        ),
        field_strength_t=_optional(system, "systemFieldStrength_T", system_path),
        receiver_channels=None if channels is None else round(channels),
        relative_receiver_noise_bandwidth=_optional(
            system, "relativeReceiverNoiseBandwidth", system_path
        ),
        system_vendor=(system.findtext("systemVendor") or "").strip() if system is not None else "",
    )


def require_thermometry(
    header: SessionHeader,
    *,
    echo_time_s_override: float | None,
    field_strength_t_override: float | None,
) -> tuple[float, float]:
    """Return the echo time (s) of the first contrast and the proton frequency (Hz).

    The measured proton frequency goes before the nominal field, which may be 4 % off, and with it
    every temperature. Raises HeaderError where the header does not say and nothing overrides it.
    """
    return (
        _require_echo_time_s(header, echo_time_s_override),
        _require_frequency_hz(header, field_strength_t_override),
    )


def _require_echo_time_s(header: SessionHeader, override_s: float | None) -> float:
    if override_s is not None:
        return override_s
    if header.echo_times_s and header.echo_times_s[0] > 0:
        return header.echo_times_s[0]
    what = f"is {header.echo_times_s[0] * 1e3:g} ms" if header.echo_times_s else "is missing"
    raise HeaderError(
        f"{what}, thermometry needs an echo time above 0; "
        "thermometry.echo_time_ms in the protocol overrides it",
        field="sequenceParameters.TE",
    )


def _require_frequency_hz(header: SessionHeader, override_t: float | None) -> float:
    field = "experimentalConditions.H1resonanceFrequency_Hz"
    hint = "thermometry.field_strength_t in the protocol overrides it"
    if override_t is not None:
        return override_t * GAMMA_BAR_HZ_PER_T
    measured, nominal_t = header.h1_frequency_hz, header.field_strength_t
    if measured is None and nominal_t is None:
        raise HeaderError(
            "is missing, and systemFieldStrength_T too; thermometry needs one of them; " + hint,
            field=field,
        )
    if measured is None:
        return (nominal_t or 0.0) * GAMMA_BAR_HZ_PER_T
    if nominal_t is not None:
        ratio = measured / (nominal_t * GAMMA_BAR_HZ_PER_T)
        if abs(ratio - 1) > MAX_FIELD_DISAGREEMENT:
            raise HeaderError(
                f"is {measured:.0f} Hz, which is {measured / GAMMA_BAR_HZ_PER_T:.2f} T, but "
                f"systemFieldStrength_T is {nominal_t:g} T; " + hint,
                field=field,
            )
    return measured


def _root(xml: bytes) -> _Element:
    try:
        text = xml.decode("utf-8")
    except UnicodeDecodeError as error:
        raise HeaderError(f"not UTF-8 at byte {error.start}", field="xml") from error
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise HeaderError("has a DOCTYPE, expected none", field="xml")
    if text.count("<") > 2 * MAX_ELEMENTS:
        raise HeaderError(f"more than {MAX_ELEMENTS} elements", field="xml")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise HeaderError(f"not XML: {error}", field="xml") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    if root.tag != "ismrmrdHeader":
        raise HeaderError(f"root is <{root.tag[:64]}>, expected <ismrmrdHeader>", field="xml")
    return root


def _encoding(element: _Element, path: str) -> Encoding:
    limits = _child(element, "encodingLimits")
    limits_path = f"{path}.encodingLimits"
    encoded = _space(element, "encodedSpace", path)
    recon = _space(element, "reconSpace", path)

    def count(name: str) -> int:
        limit = _limit(limits, name, limits_path)
        return 1 if limit is None else limit.maximum - limit.minimum + 1

    return Encoding(
        encoded_matrix=encoded[0],
        recon_matrix=recon[0],
        encoded_fov_mm=encoded[1],
        recon_fov_mm=recon[1],
        trajectory=(element.findtext("trajectory") or "").strip().lower(),
        kspace_encoding_step_1=_limit(limits, "kspace_encoding_step_1", limits_path),
        kspace_encoding_step_2=_limit(limits, "kspace_encoding_step_2", limits_path),
        n_slices=count("slice"),
        n_contrasts=count("contrast"),
        n_averages=count("average"),
        n_segments=count("segment"),
        acceleration=_acceleration(element, f"{path}.parallelImaging"),
    )


def _space(
    element: _Element, name: str, path: str
) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    space = _required(element, name, path)
    path = f"{path}.{name}"
    matrix_path = f"{path}.matrixSize"
    matrix = _required(space, "matrixSize", path)
    x, y, z = (_integer(matrix, axis, matrix_path, least=1) for axis in "xyz")
    if x * y * z > MAX_PIXELS:
        raise HeaderError(
            f"{x} x {y} x {z} pixels, expected at most {MAX_PIXELS} in all", field=matrix_path
        )
    extent = _required(space, "fieldOfView_mm", path)
    extents = []
    for axis in "xyz":
        value = _number(
            _required(extent, axis, f"{path}.fieldOfView_mm"), f"{path}.fieldOfView_mm.{axis}"
        )
        if value <= 0:
            raise HeaderError(
                f"is {value:g}, expected above 0", field=f"{path}.fieldOfView_mm.{axis}"
            )
        extents.append(value)
    return (x, y, z), (extents[0], extents[1], extents[2])


def _limit(limits: _Element | None, name: str, path: str) -> EncodingLimit | None:
    element = _child(limits, name)
    if element is None:
        return None
    path = f"{path}.{name}"
    minimum, maximum, center = (
        _integer(element, bound, path, least=0) for bound in ("minimum", "maximum", "center")
    )
    if maximum < minimum:
        raise HeaderError(
            f"maximum {maximum} is below minimum {minimum}, expected at least it", field=path
        )
    return EncodingLimit(minimum, maximum, center)


def _acceleration(element: _Element, path: str) -> tuple[int, int]:
    factor = _child(_child(element, "parallelImaging"), "accelerationFactor")
    if factor is None:
        return 1, 1
    path = f"{path}.accelerationFactor"
    steps = ("kspace_encoding_step_1", "kspace_encoding_step_2")
    first, second = (_integer(factor, name, path, least=1) for name in steps)
    return first, second


def _child(element: _Element | None, name: str) -> _Element | None:
    return None if element is None else element.find(name)


def _required(element: _Element, name: str, path: str) -> _Element:
    child = element.find(name)
    if child is None:
        raise HeaderError("is missing", field=f"{path}.{name}")
    return child


def _number(element: _Element, path: str) -> float:
    text = (element.text or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise HeaderError(f"is {text[:40]!r}, expected a finite number", field=path)
    return value


def _integer(element: _Element, name: str, path: str, *, least: int) -> int:
    value = _number(_required(element, name, path), f"{path}.{name}")
    # Real converters write "80.0"; half a sample is another matter.
    if not value.is_integer() or not least <= value <= MAX_MATRIX:
        raise HeaderError(
            f"is {value:g}, expected a whole number from {least} to {MAX_MATRIX}",
            field=f"{path}.{name}",
        )
    return int(value)


def _numbers(element: _Element | None, name: str, path: str) -> list[float]:
    if element is None:
        return []
    return [_number(child, f"{path}.{name}") for child in element.findall(name)]


def _optional(element: _Element | None, name: str, path: str) -> float | None:
    """Return a number above 0; 0 is how converters write that they do not know."""
    child = _child(element, name)
    if child is None or not (child.text or "").strip():
        return None
    value = _number(child, f"{path}.{name}")
    if value < 0:
        raise HeaderError(f"is {value:g}, expected above 0", field=f"{path}.{name}")
    return value or None
