"""Reports: what the output topics tell, gathered once from their beginning and printed (contract 7)."""
