"""``python -m physiogen``: the command line where its script is not on the path."""

from gen.start import main

if __name__ == "__main__":
    main()
