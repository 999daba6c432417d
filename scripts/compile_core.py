"""Compile the core in place, or take its compiled form away.

A compiled module shadows the source beside it, so a build that is older than its source would
silently run old rules. This script therefore keys every build by a digest of all that went into it,
and removes whatever does not match before anything else happens. A build that fails halfway leaves
no compiled module behind.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
CORE = SOURCE / "augury" / "core"
TRAINING = ROOT / "scripts" / "train_core.py"
STAMP = CORE / ".compiled"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX") or ".so"


def build_digest() -> str:
    """Name what a build of the present sources would be, without building it.

    The interpreter and the compiler count as well as the sources: a module compiled for another of
    them does not load, or loads and differs.
    """
    digest = hashlib.sha256()
    digest.update(f"{sys.version}|{SUFFIX}|{mypyc_version()}".encode())
    for path in [ROOT / "setup.py", Path(__file__), TRAINING, *sorted(CORE.rglob("*.py"))]:
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()


def mypyc_version() -> str:
    try:
        from mypy.version import __version__
    except ImportError:
        return "none"
    return str(__version__)


def compiled_modules() -> list[Path]:
    """List what a build puts beside the sources: the modules, and the library that they share."""
    found = {
        *CORE.rglob("*.so"),
        *CORE.rglob("*.pyd"),
        *SOURCE.glob("*__mypyc*.so"),
        *SOURCE.glob("*__mypyc*.pyd"),
        *(SOURCE / "augury").glob("*__mypyc*.so"),
        *(SOURCE / "augury").glob("*__mypyc*.pyd"),
    }
    return sorted(found)


def is_stale() -> bool:
    """Say whether compiled modules are there that do not belong to the present sources."""
    if not compiled_modules():
        return False
    return not STAMP.exists() or STAMP.read_text().strip() != build_digest()


def remove() -> None:
    for path in compiled_modules():
        path.unlink()
    STAMP.unlink(missing_ok=True)


def missing_for_compilation() -> str | None:
    """Name what is missing for a compiled core, or None when nothing is."""
    if shutil.which(compiler()) is None:
        return f"no C compiler ({compiler()})"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        return f"no Python headers ({header})"
    if mypyc_version() == "none":
        return "no mypyc"
    return None


def compiler() -> str:
    return (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]


def knows_profiles() -> bool:
    """Say whether the compiler is GCC, which lays code out by a profile without further tools."""
    version = subprocess.run(
        [compiler(), "--version"], stdout=subprocess.PIPE, text=True, errors="replace", check=False
    )
    return "Free Software Foundation" in version.stdout


def run_build(root: Path) -> str | None:
    """Compile the core of the copy of the project at `root`; the output comes back if it fails.

    With GCC the core is compiled twice: once so that it counts where a busy exchange passes, and
    then with what is passed often side by side, away from what handles errors. That halves the
    misses of the instruction cache, on which a good part of the time went.
    """
    if knows_profiles() and build_once(root, "generate") is None:
        trained = subprocess.run(
            [sys.executable, str(TRAINING)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join((str(root / "src"), str(ROOT)))},
            check=False,
        )
        if trained.returncode == 0 and build_once(root, "use") is None:
            return None
        print("The profile is of no use here; compiling without it", flush=True)
    return build_once(root, "")


def build_once(root: Path, profile: str) -> str | None:
    build = root / "build" / "core"
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace", "--force"]
    command += ["--build-temp", str(build / "temp"), "--build-lib", str(build / "lib")]
    result = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "AUGURY_COMPILE": "1", "AUGURY_PROFILE": profile},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return result.stdout if result.returncode else None


def build_aside() -> Path:
    """Return a copy of the project in which the core is compiled, as the present sources are.

    Raises RuntimeError when it does not compile.
    """
    target = ROOT / "build" / "compiled" / build_digest()[:16]
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        # The rename comes last, so that a build that was interrupted is not taken for a whole one,
        # and of two builds at the same time either may win.
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            copy = Path(folder) / "copy"
            copy.mkdir()
            for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
                shutil.copy2(ROOT / name, copy)
            shutil.copytree(ROOT / "requirements", copy / "requirements")
            copy_sources(copy / "src")
            failure = run_build(copy)
            if failure is not None:
                raise RuntimeError(f"the core did not compile:\n{failure}")
            shutil.rmtree(copy / "build")
            with contextlib.suppress(OSError):
                copy.rename(target)
    return target


def compile_in_place() -> None:
    digest = build_digest()
    remove()
    print("Compiling the core (a minute or two; only when its sources have changed)", flush=True)
    try:
        built = build_aside() / "src"
    except RuntimeError as failure:
        sys.exit(f"{failure}\nThe core did not compile; the lines above say why.")
    for path in (*built.rglob("*.so"), *built.rglob("*.pyd")):
        shutil.copy2(path, SOURCE / path.relative_to(built))
    STAMP.write_text(digest + "\n")


# Whoever compares the two forms of the core needs both at once. These two functions name a folder
# for PYTHONPATH each, and never touch the sources that somebody may be editing.


def compiled_source() -> Path:
    """Return a folder with the package and a compiled core, building one aside if need be.

    Raises RuntimeError when the core does not compile; ask `missing_for_compilation` first.
    """
    if compiled_modules() and not is_stale():
        return SOURCE
    source = build_aside() / "src"
    copy_sources(source)
    return source


def interpreted_source() -> Path:
    """Return a folder with the package as plain Python, whatever lies beside the sources."""
    if not compiled_modules():
        return SOURCE
    target = ROOT / "build" / "interpreted"
    copy_sources(target)
    return target


def copy_sources(target: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd", "*.egg-info", STAMP.name)
    shutil.copytree(SOURCE, target, ignore=ignored, dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--mode",
        choices=["auto", "1", "0"],
        default="auto",
        help="auto: compile if possible; 1: fail if impossible; 0: run interpreted",
    )
    mode = parser.parse_args().mode
    if mode == "0":
        remove()
        return
    missing = missing_for_compilation()
    if missing is not None:
        remove()
        if mode == "1":
            sys.exit(f"The core cannot be compiled: {missing}.")
        print(f"The core runs interpreted, less than half as fast: {missing}.")
        return
    if not compiled_modules() or is_stale():
        compile_in_place()


if __name__ == "__main__":
    main()
