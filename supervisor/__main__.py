"""`python -m supervisor` is `surfaces-bot`."""

from supervisor.cli import main

if __name__ == "__main__":
    main()
