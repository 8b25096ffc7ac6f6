"""What is compiled of the runtime (Cython). Each module says in its `.pyi` what it does; `IS_COMPILED` whether it can be had.

It is not where there was no C compiler when Reengage was installed. Everything is then done without, to the same effect.
"""

__all__ = ["IS_COMPILED", "Repeats", "Settled", "batches"]

IS_COMPILED = True

try:
    from app.runtime.native import batches
    from app.runtime.native.repeats import Repeats
    from app.runtime.native.settled import Settled
except ImportError:
    IS_COMPILED = False
    batches = None  # type: ignore[assignment]

    class Settled:  # type: ignore[no-redef]
        """No entity is."""

    class Repeats:  # type: ignore[no-redef]
        """Nothing applies them."""
