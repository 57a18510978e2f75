"""The DNS, over dnspython. Satisfies ``ports.Names``."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from typing import Any, Literal

from digest.errors import ConfigError, ProbeError

_REMEDY = "check the network and its name server, or name another with --resolver"


class Dns:
    """Asks the name servers of this machine, or one that is named; what was answered is remembered."""

    def __init__(self, server: str | None = None, *, seconds: float = 10.0) -> None:
        """``server`` is ``ADDRESS`` or ``ADDRESS:PORT``; ``seconds`` is the limit of one question with all its
        retries. Raises ConfigError for what is not an address."""
        self._server = None if server is None else _place(server)
        self._seconds = seconds
        self._resolver: Any = None
        self._ask = cache(self._asked)

    def txt(self, name: str) -> tuple[str, ...]:
        return tuple(b"".join(record.strings).decode("utf-8", "replace") for record in self._ask(name, "TXT"))

    def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        return tuple(
            (record.preference, record.exchange.to_text(omit_final_dot=True).strip("."))
            for record in self._ask(name, "MX")
        )

    def addresses(self, name: str, *, version: Literal[4, 6] | None = None) -> tuple[str, ...]:
        kinds = {4: ("A",), 6: ("AAAA",), None: ("A", "AAAA")}[version]
        return tuple(record.address for kind in kinds for record in self._ask(name, kind))

    def pointers(self, address: str) -> tuple[str, ...]:
        name = ip_address(address).reverse_pointer
        return tuple(record.target.to_text(omit_final_dot=True) for record in self._ask(name, "PTR"))

    def _asked(self, name: str, kind: str) -> tuple[Any, ...]:
        import dns.exception
        import dns.resolver

        try:
            answer = self._opened().resolve(name, kind, lifetime=self._seconds, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except dns.resolver.LifetimeTimeout as error:
            raise ProbeError(f"DNS {name} {kind}", "no answer in time", _REMEDY) from error
        except dns.resolver.NoNameservers as error:
            raise ProbeError(f"DNS {name} {kind}", "no name server gives an answer", _REMEDY) from error
        except (dns.exception.DNSException, OSError, UnicodeError, ValueError) as error:
            cause = " ".join(str(error).split()).rstrip(".").lower() or type(error).__name__
            raise ProbeError(f"DNS {name} {kind}", cause, _REMEDY) from error
        return tuple(answer)

    def _opened(self) -> Any:
        if self._resolver is None:
            import dns.resolver

            if self._server is None:
                self._resolver = dns.resolver.Resolver()
            else:
                self._resolver = dns.resolver.Resolver(configure=False)
                self._resolver.nameservers, self._resolver.port = [self._server[0]], self._server[1]
        return self._resolver


def _place(server: str) -> tuple[str, int]:
    """``192.0.2.1``, ``192.0.2.1:5353``, ``2001:db8::1``, ``[2001:db8::1]:5353``."""
    host, port = server, "53"
    if server.startswith("["):
        host, _, rest = server[1:].partition("]")
        port = rest.removeprefix(":") or "53"
    elif server.count(":") == 1:
        host, _, port = server.partition(":")
    try:
        number = int(port)
        if not 0 < number < 65536:
            raise ValueError
        return str(ip_address(host)), number
    except ValueError as error:
        raise ConfigError(
            "--resolver", f"{server!r} is not an IP address", "write for example 9.9.9.9 or 127.0.0.1:5353"
        ) from error
