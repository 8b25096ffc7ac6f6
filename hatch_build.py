"""Compiles what of Reengage is compiled, in place, when it is installed or made into a wheel.

Without a C compiler it is left out, and Reengage does the same without it, only slower; so nothing here ends an installation.
"""

import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
COMPILED = {".so", ".pyd"}


class CompileHook(BuildHookInterface[Any]):
    """Adds what was compiled to the wheel, which is then of one platform and version of Python."""

    PLUGIN_NAME = "custom"

    def initialize(self, _version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it makes a wheel; an installation from source is one too."""
        if self.target_name != "wheel":
            return
        remove_stale()
        try:
            compiled = compile_in_place()
        # Whatever stands in the way: no compiler, no headers, a folder that cannot be written to.
        except (Exception, SystemExit) as problem:  # noqa: BLE001
            print(
                f"Reengage is installed without its compiled parts: {problem}\n"
                "It does the same without them, only slower. For them, install a C compiler, then Reengage again.",
                file=sys.stderr,
            )
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"] += [f"/{path.relative_to(ROOT).as_posix()}" for path in compiled]


def remove_stale() -> None:
    """Remove what was compiled before of this version of Python, and, of others, of sources that have changed since.

    Where compiling then fails, nothing that is older than its source goes on being used in silence.
    """
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    sources = [path for kind in ("*.pyx", "*.pxd") for path in (ROOT / "app").rglob(kind)]
    changed = max(path.stat().st_mtime for path in sources)
    for source in (ROOT / "app").rglob("*.pyx"):
        for path in source.parent.glob(f"{source.stem}.*"):
            if path.suffix in COMPILED and (path.name.endswith(suffix) or path.stat().st_mtime < changed):
                path.unlink()


def compile_in_place() -> list[Path]:
    """Compile every `.pyx` of the package; returns the files made, each beside its source. All of them, or none."""
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
        command.build_lib = str(Path(scratch, "compiled"))
        command.ensure_finalized()
        command.run()
        made = [Path(command.get_ext_fullpath(name)) for name in names]
        return [_put(path, source.parent / path.name) for path, source in zip(made, sources, strict=True)]


def _put(path: Path, target: Path) -> Path:
    """Move a file there: as another file than the one there, which a process may be running."""
    target.unlink(missing_ok=True)
    shutil.move(path, target)
    return target
