"""The PEP 517 build backend: setuptools, preceded by protoc.

Every `.proto` below this folder becomes a module in `kube_actors/rpc/pb`. The stubs are not kept in
git: they would be a second copy of one fact. `python protos/build_backend.py` makes them by hand.

It also says what pyproject.toml cannot: the folders `cli` and `cluster_configs` are installed under
names that cannot collide with anybody's.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import tempfile
from importlib import resources
from typing import Any

from setuptools import build_meta, find_packages, setup

PROTOS = pathlib.Path(__file__).resolve().parent
PACKAGE = "kube_actors.rpc.pb"
OUTPUT = PROTOS.parent.joinpath(*PACKAGE.split("."))

# protoc derives the Python import from the folder of the .proto; all stubs lie flat in one package.
SIBLING_IMPORT = re.compile(r"^(?:from (?!google)[\w.]+ )?import (\w+_pb2) as", re.MULTILINE)


def generate() -> None:
    """Write the stubs of all protos, with their type hints, in place of those of the last build."""
    from grpc_tools import protoc

    well_known = resources.files("grpc_tools") / "_proto"
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        options = [f"-I{PROTOS}", f"-I{well_known}", f"--python_out={scratch}", f"--pyi_out={scratch}"]
        if protoc.main(["protoc", *options, *sources]) != 0:
            raise RuntimeError("protoc refused the files in protos/; its message stands above")
        shutil.rmtree(OUTPUT, ignore_errors=True)
        OUTPUT.mkdir(parents=True)
        (OUTPUT / "__init__.py").write_text('"""Generated from protos/ by the build; do not edit."""\n')
        for stub in pathlib.Path(scratch).rglob("*_pb2.py*"):
            text = SIBLING_IMPORT.sub(rf"from {PACKAGE} import \1 as", stub.read_text())
            (OUTPUT / stub.name).write_text(text)


class Backend(build_meta._BuildMetaBackend):
    """setuptools' hooks, with our packages and fresh stubs."""

    def run_setup(self, setup_script: str = "") -> None:
        renamed = {"kube_actors_cli": "cli", "kube_actors_cli.configs": "cluster_configs"}
        packages = [*find_packages(include=["kube_actors", "kube_actors.*"]), *renamed]
        setup(package_dir=renamed, packages=packages)

    def build_wheel(self, *args: Any, **kwargs: Any) -> str:
        generate()
        return str(super().build_wheel(*args, **kwargs))

    def build_editable(self, *args: Any, **kwargs: Any) -> str:
        generate()
        return str(super().build_editable(*args, **kwargs))


BACKEND = Backend()
build_sdist = BACKEND.build_sdist
build_wheel = BACKEND.build_wheel
build_editable = BACKEND.build_editable
get_requires_for_build_sdist = BACKEND.get_requires_for_build_sdist
get_requires_for_build_wheel = BACKEND.get_requires_for_build_wheel
get_requires_for_build_editable = BACKEND.get_requires_for_build_editable
prepare_metadata_for_build_wheel = BACKEND.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = BACKEND.prepare_metadata_for_build_editable


if __name__ == "__main__":
    generate()
