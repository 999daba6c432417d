"""Adds the compiled core to the build; everything else about the package is in pyproject.toml.

AUGURY_COMPILE decides: `0` leaves the core as plain Python, `1` insists on compiling it, and
without it a wheel gets a compiled core when a C compiler exists. An editable installation never
compiles, because a compiled module would shadow the source that somebody is about to edit; `make
setup` compiles in place and keeps track of changes.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

from setuptools import setup

CORE = Path("src/augury/core")
# Level 3 gives no quicker code and more of it, which costs misses in the instruction cache.
OPTIMIZATION_LEVEL = "2"


def core_extensions() -> list[Any]:
    choice = os.environ.get("AUGURY_COMPILE", "auto")
    builds_binaries = bool({"build", "build_ext", "bdist_wheel"} & set(sys.argv[1:]))
    if choice == "0" or not builds_binaries:
        return []
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    if choice != "1" and shutil.which(compiler.split()[0]) is None:
        print("No C compiler was found: the core stays interpreted.")
        return []

    from mypyc.build import mypycify

    # The modules are compiled as one group, so that calls between them are C calls. The package's
    # own __init__ stays Python: it only says what the package is.
    modules = sorted(str(path) for path in CORE.rglob("*.py") if path.name != "__init__.py")
    return mypycify(
        modules,
        opt_level=OPTIMIZATION_LEVEL,
        group_name="augury_core",
        # The build has its own temporary folder, so that nothing generated lands among the sources.
        target_dir="build/mypyc",
    )


setup(ext_modules=core_extensions())
