"""The MRD session header: XML to `SessionHeader`, and what thermometry demands of it.

Own parsing, because the ismrmrd package's classes refuse headers that real scanners send and keep
"80.0" as a string. A header may still lie; see `SessionHeader`.
"""

from messages import Encoding, EncodingLimit, HeaderError, SessionHeader
from realtime.streams.epi_timing import epi_timing
from realtime.streams.header_xml import (
    MAX_XML_BYTES,
    Element,
    child,
    finite,
    integer,
    number,
    numbers,
    optional,
    parse_root,
    required,
    text_of,
)

__all__ = ["MAX_XML_BYTES", "parse_header", "require_thermometry"]

MAX_PIXELS = 1 << 28  # 2 GiB of complex64 for one coil
MAX_FOV_MM = 10_000.0  # ten times what any magnet images; beyond it pixels are no lengths
GAMMA_BAR_HZ_PER_T = 42.577478518e6  # CODATA 2018, proton gyromagnetic ratio / 2π
MAX_FIELD_DISAGREEMENT = 0.1  # nominal "3 T" beside 123.2 MHz differs by 4 %

_TRAJECTORIES = ("cartesian", "epi", "radial", "goldenangle", "spiral", "other")
_CALIBRATION_MODES = ("embedded", "interleaved", "separate", "external", "other")


def parse_header(xml: bytes) -> SessionHeader:
    """Return what the monitor needs of an MRD header.

    Trailing NULs are removed, everything else is kept byte for byte. Raises HeaderError that names
    the field.
    """
    if len(xml) > MAX_XML_BYTES:
        raise HeaderError(f"{len(xml)} bytes, expected at most {MAX_XML_BYTES}", field="xml")
    raw = bytes(xml).rstrip(b"\0")
    root = parse_root(raw)
    encodings = tuple(
        _encoding(element, f"encoding[{index}]")
        for index, element in enumerate(root.findall("encoding"))
    )
    if not encodings:
        raise HeaderError("missing, expected at least one", field="encoding")
    sequence = child(root, "sequenceParameters")
    system = child(root, "acquisitionSystemInformation")
    system_path = "acquisitionSystemInformation"
    repetition_times_ms = numbers(sequence, "TR", "sequenceParameters")
    echo_times_ms = numbers(sequence, "TE", "sequenceParameters")
    channels = optional(system, "receiverChannels", system_path)
    return SessionHeader(
        xml=raw,
        encodings=encodings,
        echo_times_s=tuple(value * 1e-3 for value in echo_times_ms),
        flip_angles_deg=_flip_angles_deg(sequence),
        repetition_time_s=next((t * 1e-3 for t in repetition_times_ms[:1] if t > 0), None),
        h1_frequency_hz=optional(
            child(root, "experimentalConditions"),
            "H1resonanceFrequency_Hz",
            "experimentalConditions",
        ),
        field_strength_t=optional(system, "systemFieldStrength_T", system_path),
        receiver_channels=None if channels is None else round(channels),
        relative_receiver_noise_bandwidth=optional(
            system, "relativeReceiverNoiseBandwidth", system_path
        ),
        system_vendor=text_of(system, "systemVendor"),
    )


def _flip_angles_deg(sequence: Element | None) -> tuple[float, ...]:
    """Return the flip angles, none of them where one is no number: only T1 needs them."""
    elements = [] if sequence is None else sequence.findall("flipAngle_deg")
    found = [finite((one.text or "").strip()) for one in elements]
    return tuple(one for one in found if one is not None) if None not in found else ()


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


def _encoding(element: Element, path: str) -> Encoding:
    limits = child(element, "encodingLimits")
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
        trajectory=_one_of(_TRAJECTORIES, text_of(element, "trajectory")),
        kspace_encoding_step_1=_limit(limits, "kspace_encoding_step_1", limits_path),
        kspace_encoding_step_2=_limit(limits, "kspace_encoding_step_2", limits_path),
        n_slices=count("slice"),
        n_contrasts=count("contrast"),
        n_averages=count("average"),
        n_segments=count("segment"),
        acceleration=_acceleration(element, f"{path}.parallelImaging"),
        calibration_mode=_one_of(
            _CALIBRATION_MODES, text_of(child(element, "parallelImaging"), "calibrationMode")
        ),
        epi=epi_timing(element),
    )


def _space(
    element: Element, name: str, path: str
) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    space = required(element, name, path)
    path = f"{path}.{name}"
    matrix_path = f"{path}.matrixSize"
    matrix = required(space, "matrixSize", path)
    x, y, z = (integer(matrix, axis, matrix_path, least=1) for axis in "xyz")
    if x * y * z > MAX_PIXELS:
        raise HeaderError(
            f"{x} x {y} x {z} pixels, expected at most {MAX_PIXELS} in all", field=matrix_path
        )
    extent = required(space, "fieldOfView_mm", path)
    extents = []
    for axis in "xyz":
        value = number(
            required(extent, axis, f"{path}.fieldOfView_mm"), f"{path}.fieldOfView_mm.{axis}"
        )
        if not 0 < value <= MAX_FOV_MM:
            raise HeaderError(
                f"is {value:g}, expected above 0 and at most {MAX_FOV_MM:g}",
                field=f"{path}.fieldOfView_mm.{axis}",
            )
        extents.append(value)
    return (x, y, z), (extents[0], extents[1], extents[2])


def _limit(limits: Element | None, name: str, path: str) -> EncodingLimit | None:
    element = child(limits, name)
    if element is None:
        return None
    path = f"{path}.{name}"
    minimum, maximum, center = (
        integer(element, bound, path, least=0) for bound in ("minimum", "maximum", "center")
    )
    if maximum < minimum:
        raise HeaderError(
            f"maximum {maximum} is below minimum {minimum}, expected at least it", field=path
        )
    return EncodingLimit(minimum, maximum, center)


def _acceleration(element: Element, path: str) -> tuple[int, int]:
    factor = child(child(element, "parallelImaging"), "accelerationFactor")
    if factor is None:
        return 1, 1
    path = f"{path}.accelerationFactor"
    steps = ("kspace_encoding_step_1", "kspace_encoding_step_2")
    first, second = (integer(factor, name, path, least=1) for name in steps)
    return first, second


def _one_of(names: tuple[str, ...], text: str) -> str:
    """Return a name in lower case; what is given but not known is "other"."""
    name = text.lower()
    return name if name in names or not name else "other"
