"""What setup.cfg cannot say: all packages below ssd_data, two folders from beside it, and the list
of what it needs that lies in the wheel."""

import json
import re
import uuid
from pathlib import Path

from setuptools import Distribution, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel

RESOURCES = {"ssd_data.datasets": "datasets", "ssd_data.labelmaps": "labelmaps"}
NOT_NEEDED = {"all", "dev"}  # extras: the sum of the others, and what makes this package
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*([^;]*?)\s*(?:;\s*(.*))?")


class WheelWithParts(bdist_wheel):
    """A wheel with an SBOM (PEP 770: ``.dist-info/sboms``), the same bytes each time."""

    def write_wheelfile(self, wheelfile_base: str, *more: str, **how: str) -> None:
        """The wheel's own file, and the SBOM beside it."""
        super().write_wheelfile(wheelfile_base, *more, **how)
        folder = Path(wheelfile_base) / "sboms"
        folder.mkdir(exist_ok=True)
        text = json.dumps(sbom(self.distribution), indent=1)
        (folder / "ssd-data.cdx.json").write_text(text + "\n", "utf-8")


def sbom(package: Distribution) -> dict[str, object]:
    """CycloneDX 1.7 (https://cyclonedx.org/docs/1.7/json): the wheel holds no other package; those
    that it needs come with the range that it takes, optional ones with their extra."""
    name, version = package.get_name(), package.get_version()
    purl = f"pkg:pypi/{name}@{version}"
    asked = [("", each) for each in package.install_requires]
    for extra in package.extras_require:
        if extra not in NOT_NEEDED:
            asked += [(extra, each) for each in needed(package, extra)]
    parts: dict[str, dict[str, object]] = {}
    for extra, requirement in asked:
        part = component(requirement, extra)
        known = parts.setdefault(str(part["bom-ref"]), part)
        if known is not part:
            known["properties"] += part["properties"]
    main = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    main["licenses"] = [{"license": {"id": package.metadata.license}}]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, purl)}",
        "version": 1,
        "metadata": {"component": main},
        "components": [parts[ref] for ref in sorted(parts)],
        "dependencies": [{"ref": purl, "dependsOn": sorted(parts)}],
    }


def needed(package: Distribution, extra: str) -> list[str]:
    """What an extra asks for; one that names others of ours asks for theirs."""
    found: list[str] = []
    for each in package.extras_require[extra]:
        own = re.fullmatch(rf"{package.get_name()}\[(.*)\]", each)
        found += needed(package, own[1]) if own else [each]
    return found


def component(requirement: str, extra: str) -> dict[str, object]:
    """One package that is needed."""
    name, versions, marker = _REQUIREMENT.fullmatch(requirement).groups()
    bounds = sorted(filter(None, re.split(r"\s*,\s*", versions)), reverse=True)  # ">" before "<"
    said = {"ssd-data:extra": extra, "ssd-data:marker": marker}
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name.lower()}",
        "name": name,
        "versionRange": f"vers:pypi/{'|'.join(bounds) or '*'}",
        "isExternal": True,
        "scope": "optional" if extra else "required",
        "purl": f"pkg:pypi/{name.lower()}",
        "properties": [{"name": key, "value": value} for key, value in said.items() if value],
    }


setup(
    packages=[*find_packages(include=["ssd_data", "ssd_data.*"]), *RESOURCES],
    package_dir=RESOURCES,
    cmdclass={"bdist_wheel": WheelWithParts},
)
