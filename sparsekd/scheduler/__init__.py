"""Which run starts when and where: the queue, and the executors that start workers."""
