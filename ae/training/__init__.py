"""How a lesson trains: epochs, minibatches, optimizers, checkpoints, interrupts, devices."""
