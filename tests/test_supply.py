"""What is installed: locked by hash, within what setup.cfg allows, and asked about."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from support import ROOT

LOCKS = ROOT / "requirements"
PYTHONS = ("3.10.0", "3.10.18", "3.11.0", "3.11.4", "3.12.3", "3.13.1")


def load(name: str) -> Any:
    """A script of requirements/ as a module."""
    spec = importlib.util.spec_from_file_location(name, LOCKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def locked(name: str) -> dict[str, list[Requirement]]:
    """The lines of a lock, by package."""
    found: dict[str, list[Requirement]] = {}
    for line in re.findall(r"(?m)^([^\s#].*?)(?: \\)?$", (LOCKS / name).read_text()):
        requirement = Requirement(line)
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def on(python: str) -> dict[str, str]:
    """The environment of a Python on Linux."""
    short = ".".join(python.split(".")[:2])
    return {
        "python_full_version": python, "python_version": short, "sys_platform": "linux",
        "os_name": "posix", "platform_machine": "x86_64", "platform_system": "Linux",
        "platform_python_implementation": "CPython", "implementation_name": "cpython",
    }  # fmt: skip


def holds(requirement: Requirement, python: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate(on(python))


def stated(*extras: str) -> list[Requirement]:
    """What setup.cfg asks for."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split("\n")
    for extra in extras:
        lines += config["options.extras_require"][extra].split("\n")
    found = [Requirement(line) for line in filter(None, lines)]
    inner = [name for one in found if one.name == "ssd-data" for name in one.extras]
    found = [one for one in found if one.name != "ssd-data"]
    return found + ([one for one in stated(*inner) if one not in found] if inner else [])


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("lock", "extras"),
    [("dev.txt", ["dev"]), ("run.txt", ["torch", "score", "report"]), ("docs.txt", ["docs"])],
)
def test_every_python_gets_one_version_within_the_range(
    lock: str, extras: list[str], python: str
) -> None:
    given = locked(lock) | locked("torch.txt")
    chosen = {name: [r for r in lines if holds(r, python)] for name, lines in given.items()}
    assert all(len(lines) <= 1 for lines in chosen.values())
    for asked in stated(*extras):
        if not holds(asked, python):
            continue
        (line,) = chosen[canonicalize_name(asked.name)]
        (pin,) = line.specifier
        assert pin.operator == "=="
        assert asked.specifier.contains(Version(pin.version)), asked
    assert chosen["setuptools"]


def test_the_locks_agree() -> None:
    dev = {str(line) for lines in locked("dev.txt").values() for line in lines}
    run = locked("run.txt")
    assert {str(line).split(";")[0] for lines in run.values() for line in lines} <= {
        line.split(";")[0] for line in dev
    }
    assert not {"torch", "triton"} & run.keys()
    assert not [name for name in run if name.startswith(("nvidia-", "cuda-"))]


@pytest.mark.parametrize("name", ["run.txt", "dev.txt", "docs.txt", "supply.txt"])
def test_every_package_has_hashes(name: str) -> None:
    parts = re.split(r"(?m)^(?=[^\s#])", (LOCKS / name).read_text())[1:]
    assert len(parts) > 20
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", part) for part in parts)


def test_what_comes_with_a_build_of_torch_is_left_out() -> None:
    text = "numpy==1 \\\n    --hash=a\n    # via torch\ntorch==2 \\\n    --hash=b\n"
    text += "nvidia-cublas==1 \\\n    --hash=b\ntriton==3\ntorchvision==1\n"
    kept = "numpy==1 \\\n    --hash=a\n    # via torch\ntorchvision==1\n"
    assert load("lock").without_builds(text) == kept


# ---- advisories ----


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ({("a", "1"): [], ("b", "2"): []}, 0, "2 of 2 asked, 0 with advisories"),
        ({("a", "1"): [], ("b", "2"): None}, 2, "1 of 2 asked, 0 with advisories\nNOT asked"),
        ({("a", "1"): None}, 2, "0 of 1 asked, 0 with advisories\nNOT asked"),
        ({("a", "1"): ["X-1", "X-2"], ("b", "2"): None}, 1, "a 1: X-1, X-2\n1 of 2 asked, 1 with"),
    ],
)
def test_what_was_not_asked_is_no_good_news(
    answers: Any, status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load("audit").told(answers) == status
    assert capsys.readouterr().out.startswith(said)


def test_pip_audit_is_asked_of_each_version(tmp_path: Path) -> None:
    """Of a package with two versions, too; what it skips was not asked, though it ends with 0."""
    (tmp_path / "pip_audit.py").write_text(
        "import json, sys\n"
        "names = open(sys.argv[sys.argv.index('--requirement') + 1]).read().split()\n"
        "assert len({n.split('==')[0] for n in names}) == len(names)\n"
        "rows = [dict(zip(('name', 'version'), n.split('=='))) for n in names]\n"
        "for row in rows:\n"
        "    row.update({'skip_reason': 'x'} if row['name'] == 'b' else {'vulns':\n"
        "        [{'id': 'X'}] if row['version'] == '2' else []})\n"
        "print(json.dumps({'dependencies': rows}))\n"
    )
    program = (
        "import importlib.util as u, sys\n"
        "s = u.spec_from_file_location('audit', sys.argv[1]); m = u.module_from_spec(s)\n"
        "s.loader.exec_module(m)\n"
        "print(m.asked([('a', '1'), ('a', '2'), ('b', '1')], 'pypi'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(LOCKS / "audit.py")], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=True,
    )  # fmt: skip
    assert done.stdout == "{('a', '1'): [], ('a', '2'): ['X'], ('b', '1'): None}\n"
    (tmp_path / "pip_audit.py").write_text("raise SystemExit('no network')")
    done = subprocess.run(
        [sys.executable, "-c", program, str(LOCKS / "audit.py")], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("pip-audit: no network\n")
    assert done.stdout.endswith("{('a', '1'): None, ('a', '2'): None, ('b', '1'): None}\n")


def advisory(number: str, name: str, *ranges: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    places = [{"type": "ECOSYSTEM", "events": events} for events in ranges]
    package = {"ecosystem": more.pop("ecosystem", "PyPI"), "name": name}
    versions = more.pop("versions", [])
    affected = {"package": package, "ranges": places, "versions": versions}
    return {"id": number, "affected": [affected], **more}


def test_a_list_that_was_fetched_before(tmp_path: Path) -> None:
    fixed = [{"introduced": "0"}, {"fixed": "2.10"}]
    again = [{"introduced": "3.0"}, {"last_affected": "3.1"}]
    advisories = [
        advisory("A", "py_yaml", fixed, again),
        advisory("B", "other", versions=["1.0"]),
        advisory("C", "py-yaml", fixed, ecosystem="npm"),
        advisory("D", "py-yaml", fixed, withdrawn="2020-01-01T00:00:00Z"),
        advisory("E", "stranger", fixed),
    ]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
        for one in advisories:
            file.writestr(f"{one['id']}.json", json.dumps(one))
    versions = ["2.9", "2.10", "3.0", "3.1", "3.1.1"]
    pins = [*(("Py.YAML", version) for version in versions), ("other", "1.0"), ("other", "1.1")]
    found = load("audit").listed(pins, tmp_path / "all.zip")
    assert [found[pin] for pin in pins] == [["A"], [], ["A"], ["A"], [], ["B"], []]


def test_every_locked_version_is_asked_about() -> None:
    audit = load("audit")
    pins = audit.locked(LOCKS / name for name in audit.LOCKS)
    wanted = {
        (requirement.name, pin.version)
        for name in ("run.txt", "dev.txt", "docs.txt", "supply.txt", "torch.txt")
        for lines in locked(name).values()
        for requirement in lines
        for pin in requirement.specifier
    }
    assert set(pins) == wanted
