"""A member as stored, whose instants can be moved where they lie. Made by `repeats.Repeats`."""

class Settled:
    """A member as stored, with the few instants that activities move in known places. Attributes as those of `Member`."""

    key: str
    indexed_due_ms: int
    applied: dict[str, int] | None
    @property
    def page_rest(self) -> bytes | None: ...
    @property
    def older(self) -> bytes | None: ...
    @property
    def older_changed(self) -> bool:
        """The older ids are others than those stored."""
    @property
    def has_repeated(self) -> bool:
        """An activity was applied to it in this form."""
    def part(self) -> bytes:
        """Part 0, as `Member.dump` would give it."""
