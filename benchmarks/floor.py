#!/usr/bin/env python3
"""The least that must be done with an archive, as whole programs to compare with: nothing faster is possible.

floor.py list FOLDER     list every file and ask for its size and time
floor.py read FOLDER     read every byte too
floor.py yaml FOLDER     read, and load each front matter with PyYAML's CSafeLoader
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator


def files(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from files(entry.path)
            elif entry.name.endswith(".md"):
                yield entry


def bench_list(folder: str) -> int:
    return sum(entry.stat().st_size > 0 for entry in files(folder))


def bench_read(folder: str) -> int:
    return sum(len(data) > 0 for data in contents(folder))


def bench_yaml(folder: str) -> int:
    import yaml  # late: the other floors do not need it

    count = 0
    for data in contents(folder):
        front = data[4 : data.index(b"\n---\n", 4)]
        count += len(yaml.load(front.decode(), Loader=yaml.CSafeLoader)) > 0
    return count


def contents(folder: str) -> Iterator[bytes]:
    for entry in files(folder):
        descriptor = os.open(entry.path, os.O_RDONLY)
        try:
            yield os.read(descriptor, entry.stat().st_size + 1)
        finally:
            os.close(descriptor)


FLOORS = {"list": bench_list, "read": bench_read, "yaml": bench_yaml}


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in FLOORS:
        sys.exit(__doc__)
    print(FLOORS[sys.argv[1]](sys.argv[2]))


if __name__ == "__main__":
    main()
