"""What the operating system gives: files written in one step, arrays in them, locks, processes."""
