"""Compiles learners/c where a C compiler is at hand; without one, numpy does its work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext

# No two operations in one rounding: the same bits whatever the processor.
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O3", "-ffp-contract=off", "-fno-math-errno"]


class Kernel(BuildHookInterface):
    """Builds the module learners._kernel beside its stub."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        extension = Extension(
            "learners._kernel",
            sorted(str(path) for path in Path(self.root, "learners", "c").glob("*.c")),
            extra_compile_args=FLAGS,
            libraries=["m"],
            py_limited_api=True,
            optional=True,  # a failure is told, and the wheel does without
        )
        build = build_ext(Distribution({"ext_modules": [extension]}))
        build.inplace = True
        build.ensure_finalized()
        build.run()
        built = list(Path(self.root, "learners").glob("_kernel.*.so"))
        if built:
            build_data["artifacts"] += [str(path.relative_to(self.root)) for path in built]
            build_data["pure_python"], build_data["infer_tag"] = False, True
