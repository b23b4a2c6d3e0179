"""Errors that speak to the person who can mend them.

MonitorError            anything we say in one line, without a traceback
├── StreamError         the wire or a recording: what, at which byte, what was expected
├── HeaderError         an MRD header: which field, what was expected
└── ProtocolError       a treatment protocol: which key, what was expected
"""


class MonitorError(Exception):
    """An error whose text is meant for the user: what, where, what was expected, what to do."""


class StreamError(MonitorError):
    """The byte stream is not what the MRD session protocol allows; `offset` counts its bytes."""

    def __init__(self, text: str, *, offset: int) -> None:
        super().__init__(f"byte {offset}: {text}")
        self.offset = offset


class HeaderError(MonitorError):
    """The MRD header lacks a field, or gives one that cannot be; `field` is its path."""

    def __init__(self, text: str, *, field: str) -> None:
        super().__init__(f"header {field}: {text}")
        self.field = field


class ProtocolError(MonitorError):
    """The treatment protocol is not usable; `key` is the path of the key at fault."""

    def __init__(self, text: str, *, key: str) -> None:
        super().__init__(f"protocol {key}: {text}")
        self.key = key
