"""What things cost on this machine: the network, the stages, the options, batches and long edges."""
