"""Run the command line as ``python -m opentrain_async``."""

from ._cli.main import main

if __name__ == "__main__":
    main()
