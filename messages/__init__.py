"""The nouns of mrmonitor: frozen, typed, numpy only; and their codec."""

from messages.acquisition import Acquisition, EncodingCounters, Pose, Waveform, is_imaging
from messages.alert import Alert
from messages.beam import BeamLog
from messages.delivered_dose import DeliveredDose, StructureDose
from messages.displacement import Displacement, Doubt, GateReading, Prediction
from messages.errors import HeaderError, MonitorError, ProtocolError, StreamError
from messages.forecast import Forecast
from messages.frame import READOUT, Frame, FrameKey, readout_row
from messages.header import Encoding, EncodingLimit, EpiTiming, SessionHeader
from messages.image import Image
from messages.maps import Maps
from messages.permit import Permit
from messages.power import PowerLog
from messages.run import Heartbeat, LimitPlan, RegionPlan, RunStart, RunStop
from messages.temperature import TemperatureMap, ThermalDose
from messages.verdict import Finding, MotionReading, RegionReading, Verdict

__all__ = [
    "READOUT",
    "Acquisition",
    "Alert",
    "BeamLog",
    "DeliveredDose",
    "Displacement",
    "Doubt",
    "Encoding",
    "EncodingCounters",
    "EncodingLimit",
    "EpiTiming",
    "Finding",
    "Forecast",
    "Frame",
    "FrameKey",
    "GateReading",
    "HeaderError",
    "Heartbeat",
    "Image",
    "LimitPlan",
    "Maps",
    "MonitorError",
    "MotionReading",
    "Permit",
    "Pose",
    "PowerLog",
    "Prediction",
    "ProtocolError",
    "RegionPlan",
    "RegionReading",
    "RunStart",
    "RunStop",
    "SessionHeader",
    "StreamError",
    "StructureDose",
    "TemperatureMap",
    "ThermalDose",
    "Verdict",
    "Waveform",
    "is_imaging",
    "readout_row",
]
