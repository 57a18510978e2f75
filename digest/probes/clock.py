"""How far this machine's clock is off, by one question to a time server (SNTP, RFC 4330)."""

from __future__ import annotations

import os
import socket
import struct
import time

from digest.disk import reason
from digest.errors import ProbeError

SERVER = "pool.ntp.org"
PORT = 123

_FROM_1900 = 2_208_988_800
"""Seconds from 1900, where NTP counts from, to 1970."""
_ERA = 1 << 32
"""NTP's seconds begin anew in February 2036."""
_REMEDY = "name another server with --time-server"


def clock_offset(server: str = SERVER, *, seconds: float = 5.0) -> float:
    """Seconds by which this clock is behind the server's (negative: ahead). ``server`` is a host with or without a
    port. Raises ProbeError."""
    host, port = _place(server)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as asking:
            asking.settimeout(seconds)
            asking.connect(address)  # answers of others are not taken
            cookie = os.urandom(8)  # in place of our time: it tells nobody what our clock says (RFC 9109 and others)
            began = time.time()
            asking.send(b"\x23" + bytes(39) + cookie)
            data = asking.recv(512)
            ended = time.time()
    except TimeoutError as error:
        raise ProbeError(server, "no answer in time", _REMEDY) from error
    except (OSError, UnicodeError) as error:
        raise ProbeError(server, reason(error), _REMEDY) from error
    return _offset(data, cookie, server, began, ended)


def _offset(data: bytes, cookie: bytes, server: str, began: float, ended: float) -> float:
    if len(data) < 48 or data[0] & 7 != 4 or data[24:32] != cookie:
        raise ProbeError(server, "its answer is not one of a time server", _REMEDY)
    if data[0] >> 6 == 3 or not 1 <= data[1] <= 15:
        raise ProbeError(server, "it does not know the time itself", _REMEDY)
    received, sent = (_seconds(data[place : place + 8], began) for place in (32, 40))
    return ((received - began) + (sent - ended)) / 2


def _seconds(stamp: bytes, near: float) -> float:
    """Seconds since 1970, in the era that is nearest to our clock."""
    whole, fraction = struct.unpack(">II", stamp)
    value: float = whole - _FROM_1900 + fraction / _ERA
    return value + round((near - value) / _ERA) * _ERA


def _place(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if colon and port.isascii() and port.isdigit() and ":" not in host:
        return host, int(port)
    return server, PORT
