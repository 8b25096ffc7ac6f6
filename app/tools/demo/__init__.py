"""`reengage demo`: a short story through a real broker and a real worker (contract 7)."""

from app.tools.demo.play import run

__all__ = ["run"]
