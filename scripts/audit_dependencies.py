"""Asks whether anything that the locks pin has a known hole: ``make audit-dependencies``.

pip-audit compares the locks with a public service of advisories. Without a connection to it nothing
can be said, which is said, and is no failure: a build must not depend on a service elsewhere.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = tuple(sorted((ROOT / "requirements").glob("*.txt")))
SECONDS = 120

UNREACHABLE = (
    "ConnectionError",
    "Connection refused",
    "Max retries",
    "Failed to resolve",
    "NameResolutionError",
    "ReadTimeout",
    "ServiceError",
    "ProxyError",
    "HTTPError",
    "SSLError",
)


def audit(lock: Path) -> tuple[bool | None, str]:
    """(whether a lock is clean, what there is to say). None when nobody could be asked."""
    line = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes"]
    line += ["--disable-pip", "--progress-spinner", "off"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None, "no answer in time"
    said = f"{done.stdout}\n{done.stderr}".strip()
    if done.returncode == 0:
        return True, "no known holes"
    if "No module named pip_audit" in said:
        return None, "pip-audit is not installed"
    if any(sign in said for sign in UNREACHABLE):
        return None, "the service of advisories cannot be reached"
    return False, said


def main() -> int:
    worst = 0
    for lock in LOCKS:
        clean, said = audit(lock)
        if clean is None:
            said = f"NOT AUDITED: {said}"
        elif not clean:
            worst = 1
        print(f"{lock.relative_to(ROOT)}: {said}", flush=True)
        if clean is None:
            break
    return worst


if __name__ == "__main__":
    sys.exit(main())
