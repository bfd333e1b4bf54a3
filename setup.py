"""Only what pyproject.toml cannot say: the folder cli/ is installed under a name that cannot collide."""

from setuptools import find_packages, setup

setup(
    package_dir={"kube_actors_cli": "cli", "kube_actors_cli.configs": "cluster_configs"},
    packages=[
        *find_packages(include=["kube_actors", "kube_actors.*"]),
        "kube_actors_cli",
        "kube_actors_cli.configs",
    ],
)
