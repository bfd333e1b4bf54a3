"""Only what pyproject.toml cannot say: the folder cli/ is installed under a name that cannot collide."""

from setuptools import find_packages, setup

COMMAND_LINE = "kube_actors_cli"

setup(
    package_dir={COMMAND_LINE: "cli"},
    packages=[
        *find_packages(include=["kube_actors", "kube_actors.*"]),
        COMMAND_LINE,
        *(f"{COMMAND_LINE}.{package}" for package in find_packages("cli")),
    ],
)
