"""Why something happened to a member, or did not: the real rules, watched while they run."""
