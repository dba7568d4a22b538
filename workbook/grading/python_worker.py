"""The process that a python grader runs in: shut in first, then asked for one grade after another.

It is started as a script, by `python_grader`, and reads lines of JSON: the source with what it may
use, then an answer a line. On Linux the kernel shuts it in (seccomp and Landlock): no network, no
other processes, nothing written, nothing read but Python's own files. Elsewhere Python's audit
events are all that holds it, which keeps out mistakes and not determination. Imports nothing of the
project: it runs in isolated mode, where the project may not be found.
"""

import contextlib
import ctypes
import json
import math
import os
import platform
import sys
import traceback
import types
from typing import Any

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

EPERM, ENOSYS = 1, 38
_DIE_WITH_PARENT, _NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 1, 38, 22, 2  # of prctl
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# System calls by their numbers on x86_64 and aarch64 (None: it has no such call).
_FORBIDDEN: dict[str, tuple[int | None, int | None]] = {
    # the network, and pipes to others
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "shmget": (29, 194),
    "msgget": (68, 186),
    # other processes
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438),
    "setpriority": (141, 140),
    "setrlimit": (160, 164),
    # files
    "creat": (85, None),
    "truncate": (76, 45),
    "unlink": (87, None),
    "unlinkat": (263, 35),
    "rename": (82, None),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, None),
    "mkdirat": (258, 34),
    "rmdir": (84, None),
    "link": (86, None),
    "linkat": (265, 37),
    "symlink": (88, None),
    "symlinkat": (266, 36),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "open_by_handle_at": (304, 265),
    "memfd_create": (319, 279),
    # the machine
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
    "bpf": (321, 280),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
# Unknown to the kernel, as far as the process can tell: the C library then calls an older one.
_ABSENT = {"clone3": (435, 435), "openat2": (437, 437)}
# name: (numbers, which argument, its bits, whether these bits are what allows the call)
_BY_ARGUMENT = {
    "clone": ((56, 220), 0, 0x10000, True),  # threads, and no processes
    "prlimit64": ((302, 261), 2, 0xFFFFFFFF, False),  # limits are read, and not set
    "open": ((2, None), 1, 0x243, False),  # to write, to make, to empty
    "openat": ((257, 56), 2, 0x243, False),
}
_EVENTS = (  # of Python's audit table, or their beginnings
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.kill",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.utime",
    "os.setxattr",
    "os.listdir",
    "os.scandir",
    "shutil.",
    "tempfile.",
    "sqlite3.connect",
    "winreg.",
    "_winapi.",
    "resource.",
    "ctypes.dlopen",
    "ctypes.dlsym",
    "fcntl.",
    "mmap.",
    "signal.pthread_kill",
    "pty.",
    "webbrowser.",
    "urllib.",
    "http.",
    "ftplib.",
    "smtplib.",
    "poplib.",
    "imaplib.",
)


def shut_in(memory: int) -> bool:
    """Leave this process nothing but to compute; whether the kernel sees to it.

    memory: bytes that it may take.
    """
    _limit(memory)
    kernel = sys.platform == "linux" and platform.machine() in _ARCHITECTURES
    if sys.platform == "linux":  # whoever asks may be killed while an endless answer runs
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, 9)
    if kernel:
        kernel = _hide_files() and _forbid_calls()
    _watch(kernel)
    return kernel


def _limit(memory: int) -> None:
    """What the system takes account of."""
    if resource is not None:
        limits = {"RLIMIT_AS": memory, "RLIMIT_FSIZE": 0, "RLIMIT_CORE": 0, "RLIMIT_NOFILE": 64}
        for name, most in limits.items():
            with contextlib.suppress(ValueError, OSError):  # macOS has no limit of memory
                resource.setrlimit(getattr(resource, name), (most, most))
    if hasattr(os, "nice"):
        os.nice(10)


def _hide_files() -> bool:
    """Landlock (Linux 5.13): only Python's own files can be read. Older kernels lack it: True, as
    what must not be written `_forbid_calls` sees to."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(444, None, 0, 1) < 1:  # landlock_create_ruleset: its version
        return True
    every, read_file, read_folder = (1 << 13) - 1, 1 << 2, 1 << 3
    attributes = ctypes.c_uint64(every)
    ruleset = library.syscall(444, ctypes.byref(attributes), 8, 0)
    folders = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.__file__)}
    folders |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    folders |= {"/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo"}
    for path in folders | {"/etc/ld.so.cache", "/dev/urandom", "/dev/null"}:
        if not os.path.exists(path):
            continue
        rights = read_file | (read_folder if os.path.isdir(path) else 0)
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = rights.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder)
        if library.syscall(445, ruleset, 1, rule, 0):  # landlock_add_rule, of a path
            return False
        os.close(place)
    library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return bool(library.syscall(446, ruleset, 0) == 0)  # landlock_restrict_self


def _forbid_calls() -> bool:
    """seccomp: what a grader has no use for, the kernel refuses."""
    column = list(_ARCHITECTURES).index(platform.machine())
    load, equal, bits, at_least, give = 0x20, 0x15, 0x45, 0x35, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000
    steps = [
        (load, 0, 0, 4),  # the architecture: another one has other numbers
        (equal, 1, 0, _ARCHITECTURES[platform.machine()]),
        (give, 0, 0, 0x80000000),
        (load, 0, 0, 0),  # the call's number
    ]
    if not column:
        steps += [(at_least, 0, 1, 0x40000000), (give, 0, 0, refuse | EPERM)]
    for calls, error in ((_FORBIDDEN, EPERM), (_ABSENT, ENOSYS)):
        for numbers in calls.values():
            if (number := numbers[column]) is not None:
                steps += [(equal, 0, 1, number), (give, 0, 0, refuse | error)]
    for numbers, argument, mask, allows in _BY_ARGUMENT.values():
        if (number := numbers[column]) is not None:
            hit, miss = (allow, refuse | EPERM) if allows else (refuse | EPERM, allow)
            steps += [
                (equal, 0, 4, number),
                (load, 0, 0, 16 + 8 * argument),
                (bits, 0, 1, mask),
                (give, 0, 0, hit),
                (give, 0, 0, miss),
            ]
    steps.append((give, 0, 0, allow))
    program = b"".join(
        code.to_bytes(2, sys.byteorder) + bytes([yes, no]) + k.to_bytes(4, sys.byteorder)
        for code, yes, no, k in steps
    )
    text = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]

    whole = Program(len(steps), ctypes.addressof(text))
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return bool(library.prctl(_SECCOMP, _FILTER, ctypes.byref(whole), 0, 0) == 0)


def _watch(kernel: bool) -> None:
    """Python's own word for what is forbidden; where the kernel does not watch, the only one."""

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            _, mode, flags = arguments
            writes = isinstance(mode, str) and set(mode) & set("wax+")
            if writes or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
                raise PermissionError("A grader can't write files.")
        elif event == "import" and not kernel and arguments[0] in ("ctypes", "_ctypes", "cffi"):
            raise ImportError("A grader can't use ctypes.")
        elif event.startswith(_EVENTS) and not (kernel and event.startswith(_OF_IMPORTS)):
            raise PermissionError(f"A grader can't do that ({event}).")

    sys.addaudithook(refuse)


# Packages do this while they are imported; the kernel allows of it what is harmless.
_OF_IMPORTS = ("ctypes.", "os.listdir", "os.scandir", "mmap.", "fcntl.", "resource.")


def serve(answers: Any, results: Any) -> None:
    """Grade the answers, a line each; the first line holds source, function and memory."""
    task = json.loads(answers.readline())
    shut_in(task["memory"])
    space: dict[str, Any] = {"__name__": "grader", "__builtins__": __builtins__}
    failure = ""
    try:
        exec(compile(task["source"], "<grader>", "exec"), space)
    except BaseException as error:
        failure = _told(error)
    for line in answers:
        answer = json.loads(line)
        if failure:
            result = {"error": failure}
        elif "event" in answer:
            result = _handle(space, task["function"], answer["event"])
        else:
            result = _grade(space, answer)
        results.write(json.dumps(result).encode() + b"\n")
        results.flush()


def _grade(space: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    try:
        reward = space["grade"](answer["sample"], answer["item"])
        if isinstance(reward, str) or not math.isfinite(float(reward)):
            return {"error": f"grade() returned {reward!r:.80}, which is no finite number"}
        return {"reward": float(reward)}
    except BaseException as error:  # also SystemExit: the next answer may fare better
        return {"error": _told(error)}


def _handle(space: dict[str, Any], function: str, event: Any) -> dict[str, Any]:
    """What a function of AWS Lambda's shape gives."""
    context = types.SimpleNamespace(
        function_name=function,
        aws_request_id="local",
        get_remaining_time_in_millis=lambda: 120_000,
    )
    try:
        value = space[function](event, context)
        return json.loads(json.dumps({"value": value}))
    except BaseException as error:
        return {"error": _told(error)}


def _told(error: BaseException) -> str:
    """An error with the line of the grader that it came from."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == "<grader>"
    ]
    where = f"line {lines[-1]}: " if lines else ""
    return f"{where}{type(error).__name__}: {error}"[:500]


if __name__ == "__main__":
    # What the grader prints goes nowhere; results go where standard output was.
    own = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    with contextlib.suppress(BrokenPipeError):
        serve(sys.stdin.buffer, own)
    os._exit(0)
