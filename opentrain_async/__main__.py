"""``python -m opentrain_async`` is the command line as well."""

from ._cli import main

if __name__ == "__main__":
    main()
