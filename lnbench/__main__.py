"""`python -m lnbench`."""

from lnbench.cli.app import main

if __name__ == "__main__":
    main()
