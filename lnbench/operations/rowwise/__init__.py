"""What operations on the rows of a matrix share: blocks, kernels, truths and hostile inputs."""
