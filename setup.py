"""What setup.cfg cannot say: all packages below ssd_data, and two folders from beside it."""

from setuptools import find_packages, setup

RESOURCES = {"ssd_data.datasets": "datasets", "ssd_data.labelmaps": "labelmaps"}

setup(
    packages=[*find_packages(include=["ssd_data", "ssd_data.*"]), *RESOURCES], package_dir=RESOURCES
)
