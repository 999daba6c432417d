"""Adds the compiled core to the build; everything else about the package is in pyproject.toml.

AUGURY_COMPILE decides: `0` leaves the core as plain Python, `1` insists on compiling it, and
without it a wheel gets a compiled core when a C compiler exists. An editable installation never
compiles, because a compiled module would shadow the source that somebody is about to edit; `make
setup` compiles in place and keeps track of changes.

AUGURY_PROFILE, for GCC: with `generate` the compiled core writes down how often it passes where,
with `use` it is laid out by what was written. See scripts/compile_core.py, which does both.
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
# The modules call each other all the time and nobody else calls them: hidden symbols let the
# compiler do that directly, or inline, instead of through a table that a loader may fill otherwise.
FLAGS = ("-fvisibility=hidden", "-fno-semantic-interposition", "-fno-plt", "-g0")
PROFILE_FLAGS = {
    "generate": ("-fprofile-generate",),
    "use": ("-fprofile-use", "-Wno-missing-profile"),
}


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
    extensions = mypycify(
        modules,
        opt_level=OPTIMIZATION_LEVEL,
        group_name="augury_core",
        # The build has its own temporary folder, so that nothing generated lands among the sources.
        target_dir="build/mypyc",
    )
    profile = os.environ.get("AUGURY_PROFILE", "")
    for extension in extensions:
        extension.extra_compile_args += [*FLAGS, *PROFILE_FLAGS.get(profile, ())]
        if profile == "generate":
            extension.extra_link_args += PROFILE_FLAGS[profile]
    return extensions


setup(ext_modules=core_extensions())
