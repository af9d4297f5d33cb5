"""The C library's allocator, for programs that allocate large tensors over and over; the library never sets it."""

import ctypes
import os
import platform

# glibc's parameters (mallopt(3)), each with the environment variable that sets it, and the value here
_PARAMETERS = (
    ("MALLOC_MMAP_MAX_", -4, 0),  # no mapping of its own for a large block
    ("MALLOC_TRIM_THRESHOLD_", -1, 2**31 - 1),  # nothing goes back to the system
    ("MALLOC_TOP_PAD_", -2, 64 << 20),  # bytes taken from the system in addition
)
_THRESHOLD = "MALLOC_MMAP_THRESHOLD_"  # has no effect without mappings


def keep_freed_memory() -> bool:
    """Make glibc keep the memory of freed tensors for the next ones, for the rest of the process and its forks.

    By default glibc maps each block above some 100 KiB to 32 MiB anew, and the system fills all its pages with zeros.

    Returns:
        Whether it was set: not with another C library (macOS, Windows, musl), nor where an environment variable
        ``MALLOC_MMAP_MAX_``, ``MALLOC_MMAP_THRESHOLD_``, ``MALLOC_TRIM_THRESHOLD_`` or ``MALLOC_TOP_PAD_`` or a
        ``glibc.malloc`` of ``GLIBC_TUNABLES`` has set the allocator.
    """
    is_set = any(name in os.environ for name in (_THRESHOLD, *(name for name, _, _ in _PARAMETERS)))
    if is_set or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") or platform.libc_ver()[0] != "glibc":
        return False
    set_parameter = ctypes.CDLL(None).mallopt
    return all(set_parameter(number, value) for _, number, value in _PARAMETERS)
