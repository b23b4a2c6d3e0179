"""On which addresses `mrmonitor serve` may listen, and what it asks for before it does."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from messages import MonitorError
from realtime.security.door import Network, network

LOOPBACK = "127.0.0.1"
keys_option = click.option(
    "--keys",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of CURVE keys (`mrmonitor keys`).",
)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where MRD over TCP is listened for, and from where it is taken."""

    tcp_host: str
    scanners: tuple[Network, ...] | None


def listening(
    host: str, *, keys: Path | None, scanners: Sequence[str], is_unencrypted: bool
) -> Listening:
    """Return where to listen. Raises MonitorError where others could read or send unasked.

    is_unencrypted: somebody has written that nothing needs to be encrypted.
    """
    if ":" in host:
        raise MonitorError(f"--host {host}: expected an IPv4 address, IPv6 is not served")
    networks = tuple(network(one) for one in scanners) or None
    if is_loopback(host):
        return Listening(host, networks)
    if keys is None and not is_unencrypted:
        raise MonitorError(
            f"--host {host}: other machines could read patient data there and send requests, "
            "unencrypted and unasked; --keys encrypts all but MRD over TCP (`mrmonitor keys new` "
            "makes them); --i-know-this-is-unencrypted allows it all the same"
        )
    if networks is not None and not is_unencrypted:
        raise MonitorError(
            f"--scanner {scanners[0]}: MRD over TCP has no encryption, whoever listens to the "
            "network reads names and images; let a TLS or SSH tunnel end on this machine, and "
            "leave out --scanner; on a network of the scanner's own, add "
            "--i-know-this-is-unencrypted"
        )
    if networks is None and is_unencrypted:
        raise MonitorError(
            f"--host {host}: MRD over TCP would take data from any machine; name the scanner's "
            "address by --scanner (a network, such as 10.0.0.0/24, may be named too)"
        )
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        # a name would be asked of a name server, and the monitor speaks to nobody by itself
        raise MonitorError(f"--host {host}: expected an IP address of this machine") from error
    # without a scanner named, MRD over TCP stays where a tunnel ends
    return Listening(host if networks is not None else LOOPBACK, networks)


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
