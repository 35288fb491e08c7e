"""Known advisories on the versions that are locked here: ``make audit``.

pip-audit asks PyPI (or OSV: ``make audit ASK='--service osv'``). Without a network, a list that was
fetched before answers, ``make audit ASK='--list all.zip'``: the file that OSV publishes at
https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip.

Exit status 0: all were asked and none has an advisory. 1: some have. 2: some could not be asked.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

HERE = Path(__file__).parent
LOCKS = ("run.txt", "dev.txt", "docs.txt", "supply.txt", "torch.txt")
PIN = re.compile(r"(?m)^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)")

Pin = tuple[str, str]
Answers = dict[Pin, list[str] | None]  # the advisories; None: could not be asked


def main() -> int:
    """Asks and tells; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--service", choices=("pypi", "osv"), default="pypi")
    parser.add_argument("--list", type=Path, metavar="ZIP", help="OSV's list, fetched before")
    options = parser.parse_args()
    pins = locked(HERE / name for name in LOCKS)
    answers = listed(pins, options.list) if options.list else asked(pins, options.service)
    return told(answers)


def locked(files: Iterable[Path]) -> list[Pin]:
    """Every name and version, of all Pythons and platforms."""
    return sorted({pin for file in files for pin in PIN.findall(file.read_text())})


def asked(pins: list[Pin], service: str) -> Answers:
    """What pip-audit says; it takes one version of a package at a time."""
    answers: Answers = dict.fromkeys(pins)
    left = list(pins)
    while left:
        once = dict(left)
        found = pip_audit(once, service)
        answers.update({(name, once[name]): said for name, said in found.items() if name in once})
        left = [(name, version) for name, version in left if once[name] != version]
    return answers


def pip_audit(versions: dict[str, str], service: str) -> dict[str, list[str]]:
    """The advisories on each package that was asked about."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.writelines(f"{name}=={version}\n" for name, version in versions.items())
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "pip_audit", "--requirement", file.name, "--no-deps",
             "--disable-pip", "--vulnerability-service", service, "--format", "json",
             "--progress-spinner", "off"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, LookupError):
        print("pip-audit: " + (done.stderr.strip().splitlines() or ["no answer"])[-1])
        return {}
    return {
        package["name"]: [vulnerability["id"] for vulnerability in package["vulns"]]
        for package in packages
        if "vulns" in package
    }


def listed(pins: list[Pin], archive: Path) -> Answers:
    """What OSV's list of PyPI says."""
    answers: dict[Pin, list[str]] = {pin: [] for pin in pins}
    known: dict[str, list[Pin]] = {}
    for name, version in pins:
        known.setdefault(canonicalize_name(name), []).append((name, version))
    with zipfile.ZipFile(archive) as file:
        for entry in file.namelist():
            advisory = json.loads(file.read(entry))
            for affected in advisory.get("affected", ()):
                package = affected.get("package", {})
                if package.get("ecosystem") != "PyPI" or "withdrawn" in advisory:
                    continue
                for pin in known.get(canonicalize_name(package["name"]), ()):
                    if concerns(affected, pin[1]) and advisory["id"] not in answers[pin]:
                        answers[pin].append(advisory["id"])
    return dict(answers)


def concerns(affected: dict[str, Any], version: str) -> bool:
    """Whether the version is named, or lies in a range (https://ossf.github.io/osv-schema)."""
    if version in affected.get("versions", ()):
        return True
    ranges = [r for r in affected.get("ranges", ()) if r.get("type") == "ECOSYSTEM"]
    return any(within(events["events"], version) for events in ranges)


def within(events: list[dict[str, str]], version: str) -> bool:
    """Whether the last event up to the version is that the fault was introduced."""
    points = sorted((Version(at), kind) for event in events for kind, at in event.items())
    inside, mine = False, Version(version)
    for point, kind in points:
        if mine > point or (mine == point and kind != "last_affected"):
            inside = kind == "introduced"
    return inside


def told(answers: Answers) -> int:
    """Prints what came of it and returns the exit status."""
    faulty = {pin: ids for pin, ids in answers.items() if ids}
    mute = [f"{name} {version}" for (name, version), ids in answers.items() if ids is None]
    for (name, version), ids in faulty.items():
        print(f"{name} {version}: {', '.join(ids)}")
    print(f"{len(answers) - len(mute)} of {len(answers)} asked, {len(faulty)} with advisories")
    if mute:
        print(textwrap.fill(f"NOT asked, so nothing is known of: {', '.join(mute)}", 100))
    return 1 if faulty else 2 if mute else 0


if __name__ == "__main__":
    sys.exit(main())
