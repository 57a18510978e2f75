#!/usr/bin/env python3
"""The least a Python process does to send mail: no ledger, no reader, one message again and again.

plain_sender.py PORT MESSAGES FILE [CONNECTIONS] [--sync NOTE]

FILE holds the message, with a line feed at the end of each line. MAIL, RCPT and DATA go out together if the server
takes that (RFC 2920), the message in one piece, then its end. With ``--sync`` four kilobytes are written and one
fdatasync is waited for between the two: the least that anybody pays who wants to know after a power cut what has left.
Each connection has a thread, and a note, of its own.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path
from typing import BinaryIO

ENVELOPE = b"MAIL FROM:<digest@posts.example.com>\r\nRCPT TO:<reader@example.org>\r\nDATA\r\n"
ROOM = 1 << 20
"""Octets of a note, which is written over again and again, as a log is."""


def main() -> None:
    words = sys.argv[1:]
    synced = words.pop() if "--sync" in words else None
    port, messages, file, *rest = [word for word in words if word != "--sync"]
    connections = int(rest[0]) if rest else 1
    body = Path(file).read_bytes().replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")
    taken: list[int] = []

    def work(number: int) -> None:
        share = int(messages) // connections + (number < int(messages) % connections)
        taken.append(send(int(port), share, body, synced and f"{synced}.{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.exit(sum(taken) != int(messages))


def send(port: int, messages: int, body: bytes, synced: str | None) -> int:
    """How many the server took."""
    note = os.open(synced, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if synced else None
    if note is not None:
        os.write(note, bytes(ROOM))
        os.fsync(note)
    taken = 0
    with socket.create_connection(("127.0.0.1", port)) as sock, sock.makefile("rb") as answers:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answered(answers)
        sock.sendall(b"EHLO plain\r\n")
        together = b"PIPELINING" in answered(answers)
        for number in range(messages):
            for part in (ENVELOPE,) if together else ENVELOPE.splitlines(keepends=True):
                sock.sendall(part)
                for _line in range(part.count(b"\n")):
                    answered(answers)
            sock.sendall(body)
            if note is not None:
                os.pwrite(note, bytes(4096), number * 4096 % ROOM)
                os.fdatasync(note)
            sock.sendall(b".\r\n")
            taken += answered(answers)[:1] == b"2"
        sock.sendall(b"QUIT\r\n")
        answered(answers)
    if note is not None:
        os.close(note)
    return taken


def answered(answers: BinaryIO) -> bytes:
    """One answer, its lines together. Ends the thread if it is a refusal."""
    told = line = answers.readline()
    while line[3:4] == b"-":
        line = answers.readline()
        told += line
    if line[:1] not in (b"2", b"3"):
        sys.exit(f"the server says {line!r}")
    return told


if __name__ == "__main__":
    main()
