"""Compiles what of Reengage is compiled, in place, when it is installed or made into a wheel.

Without a C compiler it is left out, and Reengage does the same without it, only slower; so nothing here ends an installation.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent


class CompileHook(BuildHookInterface[Any]):
    """Adds what was compiled to the wheel, which is then of one platform and version of Python."""

    PLUGIN_NAME = "custom"

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it makes a wheel; an installation from source is one too."""
        if self.target_name != "wheel":
            return
        try:
            compiled = compile_in_place()
        # Whatever stands in the way: no compiler, no headers, a folder that cannot be written to.
        except (Exception, SystemExit) as problem:  # noqa: BLE001
            print(f"Reengage is installed without its compiled parts: {problem}", file=sys.stderr)
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"] += [f"/{path.relative_to(ROOT).as_posix()}" for path in compiled]


def compile_in_place() -> list[Path]:
    """Compile every `.pyx` of the package; returns the files made, each beside its source."""
    # Here, so that a build without them ends as one without a compiler does.
    from Cython.Build import cythonize  # noqa: PLC0415
    from setuptools import Distribution, Extension  # noqa: PLC0415

    sources = sorted((ROOT / "app").rglob("*.pyx"))
    names = [".".join(source.relative_to(ROOT).with_suffix("").parts) for source in sources]
    with tempfile.TemporaryDirectory() as scratch:
        extensions = cythonize(
            [Extension(name, [str(source)]) for name, source in zip(names, sources, strict=True)],
            build_dir=scratch,
            include_path=[str(ROOT)],
            quiet=True,
        )
        command = Distribution({"ext_modules": extensions}).get_command_obj("build_ext")
        command.build_temp = scratch
        command.build_lib = str(ROOT)
        command.ensure_finalized()
        command.run()
        return [Path(command.get_ext_fullpath(name)) for name in names]
