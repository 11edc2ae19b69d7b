"""Runs the command line as ``python -m dpquery``."""

from dpquery.cli.app import main

if __name__ == "__main__":
    main()
