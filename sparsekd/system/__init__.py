"""Files written atomically, arrays in them, locks, processes, counts in words."""
