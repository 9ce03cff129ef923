"""``python -m physiogen``: the command line where its script is not on the path."""

from gen.cli import main

if __name__ == "__main__":
    main()
