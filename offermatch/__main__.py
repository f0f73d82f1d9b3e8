"""`python -m offermatch` is the command `offermatch`."""

from offermatch.cli import main

if __name__ == "__main__":
    main()
