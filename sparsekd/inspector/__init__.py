"""The inspector: one process per store that holds models warm and answers questions about them."""
