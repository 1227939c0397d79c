"""``python -m omicsbench`` is the command line."""

from omicsbench.cli import main

if __name__ == "__main__":
    main()
