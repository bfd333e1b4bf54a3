"""The PEP 517 build backend: setuptools, preceded by protoc.

Every `.proto` below this folder becomes a module in `kube_actors/rpc/pb`. The stubs are not kept in
git: they would be a second copy of one fact. `python protos/build_backend.py` makes them by hand.
"""

from __future__ import annotations

import pathlib
import re
import shutil
import tempfile
from importlib import resources
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  (the hooks that are not wrapped below)

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


def build_wheel(*args: Any, **kwargs: Any) -> str:
    generate()
    return build_meta.build_wheel(*args, **kwargs)


def build_editable(*args: Any, **kwargs: Any) -> str:
    generate()
    return build_meta.build_editable(*args, **kwargs)


if __name__ == "__main__":
    generate()
