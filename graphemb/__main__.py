"""`python -m graphemb` is the command `graphemb`."""

from graphemb.cli import main

if __name__ == "__main__":
    main()
