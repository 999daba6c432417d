"""``python -m augury`` is the ``augury`` command."""

from augury.app.cli import main

if __name__ == "__main__":
    main()
