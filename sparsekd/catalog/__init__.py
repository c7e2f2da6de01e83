"""What can be chosen, readable without torch: methods with their parameters, as cards."""
