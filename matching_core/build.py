"""Builds the C core: in place for this machine, or cross-compiled for a Lambda architecture.

    python -m matching_core.build                    for this machine, with the system compiler ($CC, else cc; $CFLAGS); the
                                                     cores of older rules that are kept as well (keep.py)
    python -m matching_core.build aarch64 OUT_DIR    for Lambda on arm64; x86_64 likewise

cffi writes the glue (API mode, limited API, so one file serves every Python from 3.9 on); cross builds use the compiler
of the `ziglang` wheel against glibc 2.34, the one of Lambda's Amazon Linux 2023. A stamp of everything that goes in makes
the second build a no-op.
"""

import hashlib
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import cffi

HERE = Path(__file__).parent
DECLARATIONS = "declarations.h"
MODULE = "_core.abi3.so"
# The limited API of 3.9, not later: from 3.11 on Python.h leaves out the C headers that cffi's glue counts on.
# A function begins with a cache line: else how fast it is depends by some percent on what stands before it.
FLAGS = ["-std=gnu11", "-O3", "-falign-functions=64", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra", "-g0",
         "-DPy_LIMITED_API=0x03090000", "-DNDEBUG"]
ZIG_TARGETS = {"aarch64": "aarch64-linux-gnu.2.34", "x86_64": "x86_64-linux-gnu.2.34"}


def build(package: Path = HERE, name: str = "matching_core") -> Path:
    """Builds a package's core for this machine, in place. Answers the library; does nothing when it is up to date."""
    return _build(shlex.split(os.environ.get("CC", "cc")), package / MODULE, shlex.split(os.environ.get("CFLAGS", "")),
                  package, name)


def build_for(target: str, out_dir: Path | str, package: Path = HERE, name: str = "matching_core") -> Path:
    """Cross-compiles a package's core for Lambda on `target` (aarch64 or x86_64) into `out_dir`. Answers the library."""
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", ZIG_TARGETS[target]]
    return _build(compiler, Path(out_dir) / MODULE, [], package, name)


def kept() -> dict[str, Path]:
    """The packages of the cores of older rules, by name."""
    return {f"matching_core.kept.{package.name}": package for package in sorted((HERE / "kept").glob("v*"))}


def _build(compiler: list[str], library: Path, more_flags: list[str], package: Path, name: str) -> Path:
    stamp_file = library.with_name(library.name + ".stamp")
    stamp = _stamp([*FLAGS, *more_flags, *compiler[1:], Path(compiler[0]).name, name], package)
    if library.exists() and stamp_file.exists() and stamp_file.read_text() == stamp:
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, then renamed: another process never loads half a library, and parallel builds do not meet.
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".build-") as scratch:
        glue = Path(scratch) / "_core.c"
        _builder(package, name).emit_c_code(str(glue))
        built = Path(scratch) / MODULE
        headers = Path(sysconfig.get_paths()["include"])
        _name_the_configuration(headers, Path(scratch))
        subprocess.run([*compiler, *FLAGS, *more_flags, "-I", str(package / "src"), "-I", str(headers), "-I", scratch,
                        str(glue), "-o", str(built)], check=True)
        built.replace(library)
    stamp_file.write_text(stamp)
    return library


def _name_the_configuration(headers: Path, folder: Path) -> None:
    """Debian's pyconfig.h asks for that of the architecture which is built for, as <x86_64-linux-gnu/python3.13/pyconfig.h>: a
    cross compiler does not look where it stands, and another architecture's stands nowhere. In `folder` this machine's has all
    these names: for the limited API they say the same of each 64-bit Linux."""
    own = headers.parent / (sysconfig.get_config_var("MULTIARCH") or "") / headers.name / "pyconfig.h"
    if own == headers / "pyconfig.h" or not own.exists():
        return
    for target in ZIG_TARGETS:
        named = folder / f"{target}-linux-gnu" / headers.name
        named.mkdir(parents=True)
        (named / "pyconfig.h").write_bytes(own.read_bytes())


def _builder(package: Path, name: str) -> cffi.FFI:
    builder = cffi.FFI()
    builder.cdef(re.sub(r"/\*.*?\*/", "", (package / DECLARATIONS).read_text(), flags=re.DOTALL))
    builder.set_source(f"{name}._core", '#include <sys/mman.h>\n#include "core.c"\n', py_limited_api=True,
                       compiler_verbose=0)
    return builder


def _stamp(command: list[str], package: Path) -> str:
    digest = hashlib.sha256()
    for part in [*command, cffi.__version__, sys.version]:
        digest.update(part.encode() + b"\0")
    for source in [Path(__file__), package / DECLARATIONS, *sorted((package / "src").glob("*.[ch]"))]:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def main(arguments: list[str]) -> int:
    if not arguments:
        print(build())
        for name, package in kept().items():
            print(build(package, name))
    elif len(arguments) == 2 and arguments[0] in ZIG_TARGETS:
        print(build_for(*arguments))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
