"""What the system knows of a server: CPU time, memory, datagrams lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    for process in found:
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            found += map(int, _text(children).split())
    return found


def cpu(pid: int) -> float:
    """User and system seconds of a process, its threads and its children."""
    spent = 0
    for process in tree(pid):
        fields = _text(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
        spent += sum(map(int, fields[11:15]))
    return spent / TICKS


def resident(pid: int) -> float:
    """Resident memory of a process and its children in MB."""
    pages = 0
    for process in tree(pid):
        fields = _text(Path(f"/proc/{process}/statm")).split()
        pages += int(fields[1]) if fields else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def busy(core: int) -> float:
    """Seconds in which a core has worked for anybody."""
    for line in _text(Path("/proc/stat")).splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _, _, *interrupts = map(int, line.split()[1:])
            return (user + nice + system + sum(interrupts[:3])) / TICKS
    raise LookupError(f"no core {core}")


def datagram_sockets(port: int) -> list[int]:
    """Datagrams lost so far by each UDP socket on a port."""
    lost = []
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        for line in _text(Path(table)).splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(f":{port:04X}"):
                lost.append(int(fields[12]))
    return lost


def listens(port: int) -> bool:
    """Whether somebody listens on a TCP port."""
    lines = [
        line.split() for table in ("tcp", "tcp6") for line in _text(Path("/proc/net") / table).splitlines()
    ]
    return any(fields[1].endswith(f":{port:04X}") and fields[3] == "0A" for fields in lines)


def _text(path: Path) -> str:
    """A file of /proc; nothing where the process is gone."""
    try:
        return path.read_text()
    except OSError:
        return ""
