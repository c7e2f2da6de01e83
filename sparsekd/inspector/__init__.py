"""The inspector: one process per store that keeps models loaded and serves requests on them."""
