"""``python -m opentrain_async`` is the command line as well."""

from ._cli.main import main

if __name__ == "__main__":
    main()
