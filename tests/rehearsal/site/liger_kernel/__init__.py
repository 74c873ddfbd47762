"""In place of Liger-Kernel, which is not installed where the rehearsal is: the same signatures."""
