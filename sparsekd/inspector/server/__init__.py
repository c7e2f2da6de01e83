"""The inspector's process: request handlers, their inputs, and the models kept in memory."""
