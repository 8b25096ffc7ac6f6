"""Everything that leans on the inside of faust or aiokafka; `tests/runtime/hosting` names each seam."""
