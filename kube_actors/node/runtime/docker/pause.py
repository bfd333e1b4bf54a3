"""The pause program: what holds a pod's namespaces open. Machine code, written here, so nothing is pulled.

It is a static ELF of a few hundred bytes that does four system calls:

    rt_sigaction(SIGCHLD, {SIG_IGN, SA_NOCLDWAIT})    the kernel reaps, should it be PID 1 of a shared PID namespace
    rt_sigprocmask(SIG_BLOCK, {INT, TERM})            PID 1 ignores signals that it neither handles nor blocks
    rt_sigtimedwait({INT, TERM}, NULL, NULL)          sleeps for good; again if interrupted
    exit_group(0)
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from collections.abc import Callable

BASE = 0x400000
ELF_HEADER_SIZE = 64
PROGRAM_HEADER_SIZE = 56
CODE_OFFSET = ELF_HEADER_SIZE + 2 * PROGRAM_HEADER_SIZE

SIGCHLD = 17
SIGNAL_SET_SIZE = 8
# Bit n-1 stands for signal n: INT is 2, TERM is 15.
WAITED = 1 << (2 - 1) | 1 << (15 - 1)
# struct kernel_sigaction {handler = SIG_IGN, flags = SA_NOCLDWAIT, restorer, mask}, the same on both machines.
IGNORE_CHILDREN = struct.pack("<QQQQ", 1, 2, 0, 0)
DATA = IGNORE_CHILDREN + struct.pack("<Q", WAITED)


def _x86_64(action: int, signals: int) -> bytes:
    def imm(opcode: bytes, value: int) -> bytes:
        return opcode + struct.pack("<I", value)

    rdi, rsi, r10, rax = b"\xbf", b"\xbe", b"\x41\xba", b"\xb8"
    zero_rdi, zero_rsi, zero_rdx, syscall = b"\x31\xff", b"\x31\xf6", b"\x31\xd2", b"\x0f\x05"
    size = imm(r10, SIGNAL_SET_SIZE)
    prepare = imm(rdi, SIGCHLD) + imm(rsi, action) + zero_rdx + size + imm(rax, 13) + syscall
    prepare += zero_rdi + imm(rsi, signals) + zero_rdx + size + imm(rax, 14) + syscall
    wait = imm(rdi, signals) + zero_rsi + zero_rdx + size + imm(rax, 128) + syscall + b"\x85\xc0"  # test eax, eax
    wait += b"\x78" + struct.pack("<b", -(len(wait) + 2))  # js wait
    return prepare + wait + zero_rdi + imm(rax, 231) + syscall


def _aarch64(action: int, signals: int) -> bytes:
    def mov(register: int, value: int) -> bytes:
        low = 0xD2800000 | (value & 0xFFFF) << 5 | register
        high = 0xF2A00000 | (value >> 16) << 5 | register
        return struct.pack("<I", low) + (struct.pack("<I", high) if value >> 16 else b"")

    def call(number: int, *arguments: int) -> bytes:
        registers = b"".join(mov(register, value) for register, value in enumerate(arguments))
        return registers + mov(8, number) + struct.pack("<I", 0xD4000001)  # svc #0

    prepare = call(134, SIGCHLD, action, 0, SIGNAL_SET_SIZE) + call(135, 0, signals, 0, SIGNAL_SET_SIZE)
    wait = call(137, signals, 0, 0, SIGNAL_SET_SIZE)
    back = (-len(wait) // 4) & 0x3FFF
    wait += struct.pack("<I", 0x37F80000 | back << 5)  # tbnz w0, #31, wait
    return prepare + wait + call(94, 0)


# Machine -> (e_machine, code writer); names as Docker's /version gives them.
MACHINES: dict[str, tuple[int, Callable[[int, int], bytes]]] = {"amd64": (62, _x86_64), "arm64": (183, _aarch64)}


def pause_program(machine: str) -> bytes:
    """The ELF for `amd64` or `arm64`. Raises KeyError for any other."""
    number, write = MACHINES[machine]
    code_size = (len(write(BASE, BASE)) + 7) & ~7
    data = BASE + CODE_OFFSET + code_size
    code = write(data, data + len(IGNORE_CHILDREN)).ljust(code_size, b"\0")
    size = CODE_OFFSET + len(code) + len(DATA)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01", 2, number, 1, BASE + CODE_OFFSET, ELF_HEADER_SIZE, 0, 0,
        ELF_HEADER_SIZE, PROGRAM_HEADER_SIZE, 2, 0, 0, 0,
    )  # fmt: skip
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x10000)
    no_executable_stack = struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)
    return header + load + no_executable_stack + code + DATA


def pause_image_name(machine: str) -> str:
    """Named by its content, so that another version of this package uses another image."""
    return f"kube-actors/pause:{hashlib.sha256(pause_program(machine)).hexdigest()[:12]}"


def pause_image(machine: str) -> bytes:
    """The root file system as a tar: one file."""
    program = pause_program(machine)
    entry = tarfile.TarInfo("pause")
    entry.size, entry.mode = len(program), 0o755
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(entry, io.BytesIO(program))
    return buffer.getvalue()
